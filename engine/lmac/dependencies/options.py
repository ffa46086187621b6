"""What a run config says of packages for generated code."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from lmac_sandbox import BadPath, DependencyRefused, Requirement, check_path, parse_requirement

_Url = Annotated[str, StringConstraints(pattern=r"^https?://[^/\s@?#]+(/[^\s@?#]*)?$", max_length=500)]


class DependencyPolicy(StrEnum):
    """Which packages generated code may ask for."""

    NONE = "none"
    """None: it has what Python and the image bring."""
    LISTED = "listed"
    """Those of `listed`, and what they need themselves."""
    INDEX = "index"
    """Whatever the index has."""


class DependencyOptions(BaseModel):
    """Packages beside those of the image; boxes get them as a layer, and never a network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    policy: DependencyPolicy = DependencyPolicy.NONE
    file: str = "requirements.txt"
    """The file of the store that asks for them."""
    listed: tuple[str, ...] = Field(default=(), max_length=500)
    """Each `name`, or `name==version` for that one version."""
    index_url: _Url | None = None
    """Of a package index; None for what the user's own configuration of pip names."""
    most_packages: int = Field(default=40, ge=1, le=500)
    """That the file may lead to, with all that they need."""
    unpacked_bytes: int = Field(default=256 * 2**20, ge=1)
    """Of all of them."""
    fetch_seconds: float = Field(default=300.0, gt=0, le=3600)
    """To resolve, and again to fetch."""

    @cached_property
    def listed_requirements(self) -> tuple[Requirement, ...]:
        """`listed`, read."""
        return tuple(parse_requirement(entry, "listed") for entry in self.listed)

    @model_validator(mode="after")
    def _can_be_followed(self) -> Self:
        try:
            check_path(self.file)
            listed = self.listed_requirements
        except BadPath as error:
            raise ValueError(f"file: {error}") from error
        except DependencyRefused as error:
            raise ValueError(f"{error.message}; name a package, or name==version") from error
        for entry in listed:
            if entry.specifier and not entry.is_one_version:
                raise ValueError(f"listed: {entry} is no package's name and no name==version")
        if self.policy is DependencyPolicy.LISTED and not listed:
            raise ValueError("policy is listed, and `listed` names no package")
        return self
