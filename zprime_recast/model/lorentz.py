"""Lorentz structures of a UFO model: which chiralities couple in a current of two fermions."""

from __future__ import annotations

import ast

import numpy as np

from ..arrays import FloatArray
from ..errors import InputError


def chirality(structure: str, vector: int, fermion: int | None = None) -> tuple[complex, complex]:
    """Coefficients (a, b) of a Lorentz structure gamma^mu (a P_L + b P_R), where mu belongs to particle ``vector``.

    The structure may contain sums and products of Gamma, ProjM, ProjP, Gamma5 and numbers. InputError for anything
    else, such as a dipole or momenta.

    ``fermion`` is the position of the fermion in the vertex; the other one is its antifermion. A structure that puts
    the fermion at the right end of its line is the current of the conjugate field, -(b P_L + a P_R).

    >>> chirality("Gamma(3,2,-1)*ProjM(-1,1)", 3)
    ((1+0j), 0j)
    >>> chirality("Gamma(3,2,-1)*ProjM(-1,1)", 3, fermion=1)
    (0j, (-1+0j))
    """
    total = np.zeros(2, dtype=complex)
    try:
        for factor, tensors in _terms(ast.parse(structure.replace("^", "**").strip(), mode="eval").body):
            total += factor * _term(tensors, vector, fermion)
    except (SyntaxError, ValueError, TypeError, IndexError, ArithmeticError, RecursionError, MemoryError) as err:
        raise InputError(f"Lorentz structure {structure!r} is no current gamma^mu (a P_L + b P_R): {err}") from None
    return complex(total[0]) + 0, complex(total[1]) + 0


_Tensor = tuple[str, tuple[int, ...]]
_Term = tuple[complex, tuple[_Tensor, ...]]


def _terms(node: ast.expr) -> list[_Term]:
    """Expand an expression into a sum of products of tensors."""
    if isinstance(node, ast.BinOp):
        left, right = _terms(node.left), _terms(node.right)
        if isinstance(node.op, ast.Add):
            return left + right
        if isinstance(node.op, ast.Sub):
            return left + [(-factor, tensors) for factor, tensors in right]
        if isinstance(node.op, ast.Mult):
            return [(a * b, s + t) for a, s in left for b, t in right]
        if isinstance(node.op, ast.Div) and len(right) == 1 and not right[0][1]:
            return [(factor / right[0][0], tensors) for factor, tensors in left]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return [(-factor, tensors) for factor, tensors in _terms(node.operand)]
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, complex)):
        return [(complex(node.value), ())]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return [(1.0 + 0j, ((node.func.id, tuple(int(ast.literal_eval(a)) for a in node.args)),))]
    raise ValueError(ast.unparse(node))


def _term(tensors: tuple[_Tensor, ...], vector: int, fermion: int | None) -> FloatArray:
    """Coefficients (a, b) of one product; a matrix to the left of gamma acts on the opposite chirality."""
    gammas = [indices for name, indices in tensors if name == "Gamma" and indices[0] == vector]
    if len(gammas) != 1:
        raise ValueError("no single gamma matrix of the boson")
    (_, left_end, right_end), value = gammas[0], np.ones(2)
    rest = [(name, indices) for name, indices in tensors if name != "Gamma" or indices[0] != vector]
    matrices = {"ProjM": (1.0, 0.0), "ProjP": (0.0, 1.0), "Gamma5": (-1.0, 1.0), "Identity": (1.0, 1.0)}
    while rest:
        for item in rest:
            name, indices = item
            if name not in matrices or len(indices) != 2:
                raise ValueError(f"{name} is not supported")
            if indices[0] == right_end:
                value, right_end = value * matrices[name], indices[1]
            elif indices[1] == left_end:
                value, left_end = value * matrices[name][::-1], indices[0]
            else:
                continue
            rest.remove(item)
            break
        else:
            raise ValueError("the fermion line is broken")
    if min(left_end, right_end) < 1:
        raise ValueError("the fermion line does not end on two fermions")
    return -value[::-1] if right_end == fermion else value
