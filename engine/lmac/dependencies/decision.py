"""What a store asks for, held against what its run allows. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import assert_never

from lmac.dependencies.options import DependencyOptions, DependencyPolicy
from lmac_sandbox import DependencyRefused, Requirement

_NAMED = 20


def demand_allowed(
    requirements: Sequence[Requirement], options: DependencyOptions, provided: Collection[str]
) -> None:
    """See that every package may be asked for.

    Args:
        provided: Canonical names of what the image brings itself.

    Raises:
        DependencyRefused: one may not; the message names it, and what is allowed.
    """
    match options.policy:
        case DependencyPolicy.INDEX:
            return
        case DependencyPolicy.LISTED:
            allowed = {entry.key for entry in options.listed_requirements} | set(provided)
        case DependencyPolicy.NONE:
            allowed = set(provided)
        case _:
            assert_never(options.policy)
    if refused := [requirement for requirement in requirements if requirement.key not in allowed]:
        names = ", ".join(requirement.name for requirement in refused[:_NAMED])
        raise DependencyRefused(f"{options.file}: {names}: not allowed in this run", allowed_words(options))


def versions_kept_to(options: DependencyOptions) -> tuple[Requirement, ...]:
    """What is listed in one version only; also kept to where something else needs it."""
    if options.policy is not DependencyPolicy.LISTED:
        return ()
    return tuple(entry for entry in options.listed_requirements if entry.specifier)


def allowed_words(options: DependencyOptions) -> str:
    """What may be asked for, for the model."""
    match options.policy:
        case DependencyPolicy.NONE:
            return "no packages can be installed; use the standard library"
        case DependencyPolicy.LISTED:
            return f"allowed are {_listed(options)}, and the standard library"
        case DependencyPolicy.INDEX:
            return "allowed are packages of the index, one a line, such as `requests>=2.31,<3`"
        case _:
            assert_never(options.policy)


def how_to_ask(options: DependencyOptions) -> str:
    """What the model is told before it asks; "" where it cannot."""
    form = f"each on a line of its own in {options.file}, by its name and versions"
    match options.policy:
        case DependencyPolicy.NONE:
            return ""
        case DependencyPolicy.LISTED:
            return f"Of other packages these are installed when you ask for them, {form}: {_listed(options)}."
        case DependencyPolicy.INDEX:
            return f"Other packages are installed when you ask for them, {form}, such as requests>=2.31,<3."
        case _:
            assert_never(options.policy)


def _listed(options: DependencyOptions) -> str:
    more = len(options.listed) - _NAMED
    return ", ".join(options.listed[:_NAMED]) + (f" and {more} more" if more > 0 else "")
