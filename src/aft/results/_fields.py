"""Field types of the schema, and the base class of its models.

A number that is NaN, infinite or beyond `LIMIT` counts as not measured, because one diverged training must not make
the results of all the others unreadable.
"""

from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

#: Larger than any plausible error or time, and small enough that sums of such numbers cannot overflow.
LIMIT = 1e30
#: Deepest nesting of a free-form value, well below the recursion limits of pydantic and of the JSON encoder.
DEPTH = 32
#: Validation context of documents that are read, as opposed to results that are constructed.
READING: Final = "reading"


def _is_measured(value: Any) -> bool:
    return value is not None and not (isinstance(value, int | float) and not abs(value) <= LIMIT)


def _measured_or_none(value: Any) -> Any:
    return value if _is_measured(value) else None


def _only_measured(value: Any) -> Any:
    return [item for item in value if _is_measured(item)] if isinstance(value, list | tuple) else value


def _encodable(value: Any) -> Any:
    """Replace lone surrogates, which occur in paths that are not UTF-8 and which no text file can hold."""
    if not isinstance(value, str):
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return "".join(f"‹U+{ord(c):04X}›" if 0xD800 <= ord(c) <= 0xDFFF else c for c in value)
    return value


def _json_value(value: Any, depth: int = 0) -> Any:
    if depth > DEPTH:
        raise ValueError(f"values are nested at most {DEPTH} levels deep")
    if isinstance(value, dict):
        return {_encodable(key): _json_value(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(item, depth + 1) for item in value]
    return _measured_or_none(_encodable(value))


def _none_if_unreadable(value: Any, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
    try:
        return validate(value)
    except ValidationError:
        if info.context == READING:
            return None
        raise


#: A finite number. Integers stay integers, so that counts are written without a decimal point.
Number = Annotated[int | float, Field(allow_inf_nan=False, ge=-LIMIT, le=LIMIT)]
#: A number that may be missing.
Measurement = Annotated[Number | None, BeforeValidator(_measured_or_none)]
#: Numbers without those that are missing, such as the error of a seed that diverged.
Measurements = Annotated[tuple[Number, ...], BeforeValidator(_only_measured)]
#: A count that is small enough to be printed.
Count = Annotated[int, Field(ge=0, le=10**15)]
#: A cell of a confusion matrix.
Tally = Annotated[int | float, Field(allow_inf_nan=False, ge=0, le=10**15)]
#: Text that can be written as UTF-8.
Text = Annotated[str, BeforeValidator(_encodable)]
#: For fields that only describe: a value that a later version of aft may write is ignored on reading, whereas the
#: construction of a result rejects it.
Descriptive = WrapValidator(_none_if_unreadable)
#: A JSON object without a fixed set of keys.
JsonObject = Annotated[dict[str, JsonValue], BeforeValidator(_json_value)]


class Record(BaseModel):
    """A JSON object of the result: immutable, with null equal to absent, and with unknown keys ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)

    @model_validator(mode="before")
    @classmethod
    def _null_is_absent(cls, value: Any) -> Any:
        return {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else value
