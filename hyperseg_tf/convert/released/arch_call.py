"""The grammar of an arch string: one call with literals, taken apart by `ast`."""

import ast
import warnings

from hyperseg_tf.convert.refused import Refused, shorten

RULE = "an arch string must describe a HyperSeg that the authors' code can build"
WAY_OUT = "see `hyperseg-tf presets` for the architectures there are"

_MAX_TEXT = 4096


def parse_call(text: object) -> tuple[str, object, dict[str, object]]:
    """Module, backbone and keywords of `hyperseg.models.X.hyperseg_efficientnet(...)`.

    Lists become tuples; nothing is looked up or called.

    Raises:
        Refused: If it is no such call, or an argument is no literal.
    """
    if type(text) is not str or len(text) > _MAX_TEXT:
        raise refused(f"it is {shorten(text)}, no short text")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call = ast.parse(text, mode="eval").body
        words = ast.unparse(call.func).split(".") if isinstance(call, ast.Call) else []
        if words[:2] != ["hyperseg", "models"] or words[3:] != [
            "hyperseg_efficientnet"
        ]:
            raise refused(f"{shorten(text)} calls no hyperseg_efficientnet")
        positional = [_literal(value) for value in call.args]
        keywords = {}
        for keyword in call.keywords:
            if keyword.arg is None or keyword.arg in keywords:
                raise refused(f"keyword {shorten(keyword.arg)} is repeated or starred")
            keywords[keyword.arg] = _literal(keyword.value)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, Refused):
            raise
        raise refused(f"{shorten(text)} is no call") from error
    if len(positional) != 1:
        raise refused(f"it has {len(positional)} arguments without a keyword, not 1")
    return words[2], positional[0], keywords


def _literal(node):
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None):
            return node.value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float())):
            return -node.operand.value
        case ast.List() | ast.Tuple():
            return tuple(_literal(element) for element in node.elts)
    raise refused(f"{shorten(ast.unparse(node))} is no plain value")


def refused(reason: str, way_out: str = WAY_OUT) -> Refused:
    """What is wrong with an arch string."""
    return Refused(reason, way_out, RULE)
