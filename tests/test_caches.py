"""What is kept in memory belongs to an object and is freed with it."""

from __future__ import annotations

import ast
import copy
import gc
import pickle
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import zprime_recast as zr
from zprime_recast.io.memo import Memo

PACKAGE = Path(zr.__file__).parent
#: Types a cache of a function may be keyed by, alone or in tuples.
PLAIN = {"int", "float", "str", "bool", "bytes", "None", "..."}
CACHES = {"lru_cache", "cache"}


def is_plain(annotation: ast.expr | None) -> bool:
    """Whether an annotation is a number, a string, or a tuple or union of such."""
    if isinstance(annotation, ast.BinOp):
        return is_plain(annotation.left) and is_plain(annotation.right)
    if isinstance(annotation, ast.Tuple):
        return all(is_plain(part) for part in annotation.elts)
    if isinstance(annotation, ast.Subscript):
        return ast.unparse(annotation.value) == "tuple" and is_plain(annotation.slice)
    return annotation is not None and ast.unparse(annotation) in PLAIN


def is_cache(node: ast.expr) -> bool:
    """Whether an expression is ``functools.cache`` or ``functools.lru_cache``, called or not."""
    name = node.func if isinstance(node, ast.Call) else node
    return (isinstance(name, ast.Name) and name.id in CACHES) or (
        isinstance(name, ast.Attribute) and name.attr in CACHES and ast.unparse(name.value) == "functools"
    )


def large_keys(source: str) -> list[str]:
    """Cached functions with a parameter that is not plain, and caches that do not decorate a function."""
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    decorators = {id(d): f for f in functions for d in f.decorator_list}
    found, seen = [], set()
    for node in ast.walk(tree):
        function = decorators.get(id(node))
        if not isinstance(node, ast.expr) or not is_cache(node) or id(node) in seen:
            continue
        if function is None and ast.unparse(node) == "cache":  # a variable of this name
            continue
        seen |= {id(part) for part in ast.walk(node)}
        if function is None:
            found.append(ast.unparse(node))
            continue
        a = function.args
        given = [*a.posonlyargs, *a.args, *a.kwonlyargs, *(x for x in (a.vararg, a.kwarg) if x is not None)]
        if not all(is_plain(argument.annotation) for argument in given):
            found.append(function.name)
    return found


def test_caches_of_functions_have_small_keys():
    found = {path.name: names for path in PACKAGE.rglob("*.py") if (names := large_keys(path.read_text()))}
    assert not found, f"give these caches to the object that owns the data: {found}"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("@cache\ndef f(): ...", []),
        ("@lru_cache(maxsize=4)\ndef f(a: float, *, b: str | None = None, c: tuple[tuple[int, ...], bytes]): ...", []),
        ("@lru_cache(maxsize=4)\ndef f(model: ZprimeModel): ...", ["f"]),
        ("@functools.cache\ndef f(edges: tuple[Panels, int]): ...", ["f"]),
        ("class A:\n    @cache\n    def f(self, n: int): ...", ["f"]),
        ("@cache\ndef f(n): ...", ["f"]),
        ("f = lru_cache(maxsize=4)(g)", ["lru_cache(maxsize=4)"]),
        ("f = functools.cache(g)", ["functools.cache(g)"]),
    ],
)
def test_the_check_sees_large_keys(source, found):
    assert large_keys(source) == found


def used_analyses() -> tuple[zr.Analyses, zr.Likelihood]:
    """Analyses and a likelihood that have filled every memo."""
    analyses = zr.load_analyses(["atlas-139fb-dilepton"])
    zr.limit("elusive_bl", [1000.0, 2000.0], analyses=analyses)
    likelihood = zr.Likelihood(analyses, "ssm")
    likelihood.loglike(3000.0, 0.1)
    zr.resonance_limit(analyses.joint.folded[0], 2000.0, 0.03, "ee")
    return analyses, likelihood


def test_a_folded_search_is_freed():
    analyses, likelihood = used_analyses()
    (folded,) = analyses.joint.folded
    rest = [weakref.ref(x) for x in (analyses.joint, folded, folded.search, folded.levels, folded.levels.low)]
    del analyses, likelihood, folded
    gc.collect()
    assert [ref() for ref in rest] == [None] * len(rest)


def is_small(key: object) -> bool:
    """Whether a key is a number, a string, or a tuple of such."""
    return all(map(is_small, key)) if isinstance(key, tuple) else isinstance(key, (int, float, str, bytes))


def test_memos_have_small_keys():
    kept = used_analyses()
    memos = [x for x in gc.get_objects() if isinstance(x, Memo)]
    keys = [key for memo in memos for key in memo._values]
    assert len(keys) > 20
    assert kept
    assert all(map(is_small, keys))


def test_pickles_hold_no_memo():
    analyses = zr.load_analyses(["atlas-139fb-dilepton"])
    likelihood = zr.Likelihood(analyses, "ssm")
    objects = (likelihood, likelihood._model, analyses.joint.folded[0], analyses.joint.folded[0].search)
    before = [pickle.dumps(x) for x in objects]
    value = likelihood.loglike(3000.0, 0.1)
    zr.resonance_limit(analyses.joint.folded[0], 2000.0, 0.03, "ee")
    assert [len(pickle.dumps(x)) for x in objects] == [len(x) for x in before]
    assert b"Memo" not in b"".join(before)
    assert pickle.loads(before[0]).loglike(3000.0, 0.1) == value


def test_a_memo_is_bounded():
    memo, made = Memo(2), []

    def make(key):
        return lambda: made.append(key) or key

    for key in (1, 2, 1, 3, 2, 1):
        assert memo.get(key, make(key)) == key
    assert len(memo) == 2
    assert made == [1, 2, 3, 1]  # the oldest made room


def test_a_memo_is_pickled_and_copied_empty():
    memo = Memo(1)
    memo.get("a", lambda: 1)
    for other in (pickle.loads(pickle.dumps(memo)), copy.copy(memo), copy.deepcopy(memo)):
        assert len(other) == 0
        assert [other.get(key, lambda: 2) for key in "ab"] == [2, 2]
        assert len(other) == 1


def test_an_error_is_not_kept():
    memo = Memo(2)
    with pytest.raises(ZeroDivisionError):
        memo.get(1, lambda: 1 / 0)
    assert memo.get(1, lambda: 5) == 5


def test_threads_share_a_memo():
    """More keys than fit, from many threads that switch often: each gets the value of its key."""
    memo, before = Memo(8), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda k: memo.get(k % 20, lambda: -(k % 20)), range(20_000)))
    finally:
        sys.setswitchinterval(before)
    assert found == [-(k % 20) for k in range(20_000)]
    assert len(memo) == 8


def test_threads_get_the_value_that_came_first():
    memo, both = Memo(2), threading.Barrier(2)

    def make():
        both.wait()
        return object()

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(lambda _: memo.get(1, make), range(2))
    assert one is other
