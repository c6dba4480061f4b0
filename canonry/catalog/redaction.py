"""What a source's YAML says of the text that comes from it: kept, masked, or not stored at all."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

Finding = Literal["email", "phone", "card", "iban", "ip", "secret"]

FINDINGS: tuple[Finding, ...] = ("email", "phone", "card", "iban", "ip", "secret")
"""What is looked for where a source says nothing else."""

Region = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]

_PROBES = ("", "a", "1", " ", "ab 12, c")


def _pattern(pattern: str) -> str:
    """The pattern, where it can be used. RE2 takes linear time on any text, so none can be slow."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        told = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise ValueError(f"{pattern!r} is not an RE2 regular expression: {told}") from None
    if any(match.start() == match.end() for probe in _PROBES for match in compiled.finditer(probe)):
        raise ValueError(f"{pattern!r} matches nothing at all, which is everywhere; make it need a character")
    return pattern


def _marker(name: str) -> str:
    if name in FINDINGS:
        raise ValueError(f"{name} is one of `find`; give the pattern another name")
    return name


Pattern = Annotated[str, AfterValidator(_pattern)]
"""A regular expression of RE2's."""

Marker = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_-]*$", max_length=40), AfterValidator(_marker)]
"""What takes a finding's place, in brackets: lower-case letters, dashes, underscores."""


class Redaction(BaseModel):
    """What happens to a source's text before anything of it is stored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    content: Literal["keep", "mask", "drop"] = Field(
        description="keep: as it came. mask: what is found becomes a marker, as [email]. drop: messages, retrieved "
        "text, comments and corrections are not stored at all, and what is found in the rest is masked."
    )
    find: tuple[Finding, ...] = Field(
        FINDINGS, description="What is looked for: email, phone, card (Luhn), iban, ip, secret."
    )
    phone_regions: tuple[Region, ...] = Field(
        ("US",), description="Countries whose national phone numbers are found; those that begin with + always are."
    )
    patterns: dict[Marker, Pattern] = Field(
        {}, description="Own regular expressions (RE2: no look-around) by the marker that takes their place."
    )

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if self.content == "keep" and self.model_fields_set - {"content"}:
            given = ", ".join(sorted(self.model_fields_set - {"content"}))
            raise ValueError(f"content: keep looks for nothing; remove {given}, or say mask")
        return self
