"""Charges as formulas of parameters: ``1/3 + r/6``, ``cos(theta)/sqrt(6)``, read by a small grammar of our own.

A formula consists of numbers, names, + - * / **, parentheses and sqrt, sin, cos, tan. Its value is exact, a + b
sin^2(theta_W) with fractions a and b, wherever the operations allow it; numbers and parameters count as the decimal
fractions they are written as.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray
from ..errors import InputError

#: Longest formula, in characters, and largest number of bits of a fraction within it.
LONGEST, _BITS = 400, 4096
#: Largest power of ten of a number in a formula.
LARGEST_EXPONENT = 100
_NUMBERS = (int, Fraction)
#: Functions of a formula.
FUNCTIONS = {"sqrt": math.sqrt, "sin": math.sin, "cos": math.cos, "tan": math.tan}


_OPERATIONS = {ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.Pow: np.power}


@dataclass(frozen=True)
class Linear:
    """An exact number a + b sin^2(theta_W)."""

    rational: Fraction
    sw2: Fraction = Fraction(0)


Number = Linear | float


@dataclass(frozen=True)
class Formula:
    """The text of a formula, checked against the grammar when it is made.

    >>> Formula("1/3 + r/6").value({"r": Linear(Fraction(1, 2))}, 0.23)
    Linear(rational=Fraction(5, 12), sw2=Fraction(0, 1))
    """

    text: str

    def __post_init__(self) -> None:
        if len(self.text) > LONGEST:
            raise InputError(f"a formula of {len(self.text)} characters; at most {LONGEST} are read")
        _check(self._tree())

    def _tree(self) -> ast.expr:
        text = self.text.strip()
        try:
            tree = ast.parse(text, mode="eval").body
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and type(node.value) is float:
                    number = str(ast.get_source_segment(text, node))
                    if abs(int(number.lower().partition("e")[2] or 0)) > LARGEST_EXPONENT:
                        raise ValueError
                    node.value = Fraction(number)  # type: ignore[assignment]
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise InputError(f"{self.text!r} is not a formula") from None
        return tree

    @property
    def names(self) -> frozenset[str]:
        """Names in the formula that are no functions."""
        nodes = list(ast.walk(self._tree()))
        called = [node.func for node in nodes if isinstance(node, ast.Call)]
        return frozenset(node.id for node in nodes if isinstance(node, ast.Name) and node not in called)

    def value(self, values: Mapping[str, Number], sin2_theta_w: float) -> Number:
        """The value at given values of the names; exact or, after a square root, sine and the like, a float.

        InputError, quoting the formula, for a name without a value, a division by zero or a result that is not real.
        """
        try:
            result = _value(self._tree(), values, sin2_theta_w)
        except KeyError as err:
            known = ", ".join(sorted(values))
            raise InputError(f"{self.text!r}: {err.args[0]} is neither a parameter nor one of {known}") from None
        except ZeroDivisionError:
            raise InputError(f"{self.text!r}: division by zero at these values of the parameters") from None
        except (ValueError, OverflowError) as err:
            raise InputError(f"{self.text!r}: no real number at these values of the parameters ({err})") from None
        if isinstance(result, float) and not math.isfinite(result):
            raise InputError(f"{self.text!r}: no finite number at these values of the parameters")
        return result

    def numbers(self, values: Mapping[str, ArrayLike]) -> FloatArray:
        """Values at many values of the names, which broadcast; NaN where there is no finite real number.

        >>> Formula("1/3 + r/6").numbers({"r": [0.0, 2.0]}).tolist()
        [0.3333333333333333, 0.6666666666666666]

        InputError, quoting the formula, for a name without values.
        """
        try:
            with np.errstate(all="ignore"):
                found = np.asarray(_numbers(self._tree(), values), dtype=float)
        except KeyError as err:
            raise InputError(f"{self.text!r}: {err.args[0]} is none of {', '.join(sorted(values))}") from None
        return np.where(np.isfinite(found), found, np.nan)


def environment(
    values: Mapping[str, Fraction],
    definitions: Mapping[str, Formula],
    constants: Mapping[str, float],
    sin2_theta_w: float,
) -> dict[str, Number]:
    """Values of parameters, of ``sw2``, of constants and of definitions, which may use each other.

    InputError for a definition that depends on itself, or that cannot be evaluated.
    """
    known: dict[str, Number] = {"sw2": Linear(Fraction(0), Fraction(1)), **constants}
    known |= {name: Linear(value) for name, value in values.items()}
    waiting = dict(definitions)
    while waiting:
        ready = [name for name, formula in waiting.items() if not formula.names & waiting.keys()]
        if not ready:
            raise InputError(f"definitions {', '.join(sorted(waiting))} depend on each other in a circle")
        for name in ready:
            known[name] = waiting.pop(name).value(known, sin2_theta_w)
    return known


def _check(node: ast.expr) -> None:
    """InputError unless a tree consists of what the grammar allows."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)):
        _check(node.left)
        _check(node.right)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.UAdd, ast.USub)):
        _check(node.operand)
    elif isinstance(node, ast.Call):
        if not (isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS):
            raise InputError(f"{ast.unparse(node)!r}: the functions of a formula are {', '.join(sorted(FUNCTIONS))}")
        if len(node.args) != 1 or node.keywords:
            raise InputError(f"{ast.unparse(node)!r}: a function has one argument")
        _check(node.args[0])
    elif not isinstance(node, ast.Name) and not (isinstance(node, ast.Constant) and type(node.value) in _NUMBERS):
        raise InputError(f"{ast.unparse(node)!r} is not part of a formula: use numbers, parameters, + - * / ** and ( )")


def _value(node: ast.expr, values: Mapping[str, Number], sw2: float) -> Number:
    if isinstance(node, ast.BinOp):
        return _combined(node.op, _value(node.left, values, sw2), _value(node.right, values, sw2), sw2)
    if isinstance(node, ast.UnaryOp):
        operand = _value(node.operand, values, sw2)
        minus_one = Linear(Fraction(-1))
        return _combined(ast.Mult(), minus_one, operand, sw2) if isinstance(node.op, ast.USub) else operand
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _function(node.func.id, _value(node.args[0], values, sw2), sw2)
    if isinstance(node, ast.Name):
        return values[node.id]
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, Fraction)):
        return Linear(Fraction(node.value))
    raise ValueError(ast.unparse(node))


def _numbers(node: ast.expr, values: Mapping[str, ArrayLike]) -> FloatArray:
    if isinstance(node, ast.BinOp):
        left, right = _numbers(node.left, values), _numbers(node.right, values)
        return np.asarray(_OPERATIONS[type(node.op)](left, right))
    if isinstance(node, ast.UnaryOp):
        operand = _numbers(node.operand, values)
        return -operand if isinstance(node.op, ast.USub) else operand
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return np.asarray(getattr(np, node.func.id)(_numbers(node.args[0], values)))
    if isinstance(node, ast.Name):
        return np.asarray(values[node.id], dtype=float)
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, Fraction)):
        return np.asarray(float(node.value))
    raise ValueError(ast.unparse(node))


def number(value: Number, sin2_theta_w: float) -> float:
    """A value as a float."""
    return value if isinstance(value, float) else float(value.rational) + float(value.sw2) * sin2_theta_w


def _combined(op: ast.operator, left: Number, right: Number, sw2: float) -> Number:
    if isinstance(left, Linear) and isinstance(right, Linear):
        result = _exactly(op, left, right)
        if result is not None:
            if max(abs(result.rational.numerator), result.rational.denominator).bit_length() > _BITS:
                raise OverflowError("a fraction with too many digits")
            return result
    a, b = number(left, sw2), number(right, sw2)
    if isinstance(op, ast.Add):
        return a + b
    if isinstance(op, ast.Sub):
        return a - b
    if isinstance(op, ast.Mult):
        return a * b
    if isinstance(op, ast.Div):
        return a / b
    return math.pow(a, b)


def _exactly(op: ast.operator, left: Linear, right: Linear) -> Linear | None:
    """The exact result of an operation, None if it is not a + b sin^2(theta_W)."""
    if isinstance(op, ast.Add):
        return Linear(left.rational + right.rational, left.sw2 + right.sw2)
    if isinstance(op, ast.Sub):
        return Linear(left.rational - right.rational, left.sw2 - right.sw2)
    if isinstance(op, ast.Mult) and not (left.sw2 and right.sw2):
        return Linear(left.rational * right.rational, left.rational * right.sw2 + left.sw2 * right.rational)
    if isinstance(op, ast.Div) and not right.sw2:
        return Linear(left.rational / right.rational, left.sw2 / right.rational)
    power = right.rational
    if isinstance(op, ast.Pow) and not (left.sw2 or right.sw2) and power.denominator == 1 and abs(power) <= 16:
        return Linear(left.rational ** int(power))
    return None


def _function(name: str, argument: Number, sw2: float) -> Number:
    if isinstance(argument, Linear) and not argument.sw2:
        x = argument.rational
        roots = Fraction(math.isqrt(abs(x.numerator)), math.isqrt(x.denominator))
        if name == "sqrt" and x >= 0 and roots**2 == x:
            return Linear(roots)
        if name != "sqrt" and not x:
            return Linear(Fraction(name == "cos"))
    return FUNCTIONS[name](number(argument, sw2))
