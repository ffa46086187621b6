"""What the user names, turned into what a run needs. Whatever is wrong is said before anything starts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lmac.checks import CheckPlan, CheckSet, NamedSet, SuiteSettings, plan_checks
from lmac.config import Domain, RunConfig
from lmac.dependencies import how_to_ask
from lmac.errors import ConfigError, WeightsError
from lmac.models.profile import ModelProfile
from lmac.models.weights import find_weights
from lmac.processor.openai_processor import checked_key
from lmac.program import Task
from lmac.prompts import LANGUAGE_PARTS, Prompts, checked_parts, make_prompts, shipped_language
from lmac.redaction import note_secret
from lmac.shipped import SET_UP, shipped_folder
from lmac.shipped_images import demand_image
from lmac.yaml_source import YamlSource, override, parse_yaml, validated
from lmac_sandbox import BadPath, check_path

TASK_CHARACTERS = 200_000
SUITE_BYTES = 4 * 2**20
"""All files of an acceptance suite together."""
SUITE_SETTINGS_NAME = "acceptance.yaml"
_TEXT_SUFFIXES = (".md", ".markdown", ".txt", ".rst")


@dataclass(frozen=True, slots=True)
class TaskInput:
    """A task, with the acceptance suite that lies beside it if it is a folder."""

    task: Task
    acceptance_folder: Path | None = None


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where downloads, weights and images are kept: LMAC_CACHE, or `lmac` in the user's cache folder."""
    if own := environment.get("LMAC_CACHE"):
        return Path(own).expanduser()
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "lmac"


def with_reply_cache(config: RunConfig, environment: Mapping[str, str]) -> RunConfig:
    """The config with a response cache: the one that it names, or that of LMAC's own cache folder."""
    folder = config.response_cache or str(cache_folder(environment).absolute() / "replies")
    return config.model_copy(update={"response_cache": folder})


def read_text(path: Path, what: str) -> str:
    """A text file of the user's.

    Raises:
        ConfigError: it is missing, no file, not UTF-8, or cannot be read.
    """
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{what} {path}: not UTF-8 (byte {error.start})", "save the file in UTF-8"
        ) from error
    except OSError as error:
        raise ConfigError(f"{what} {path}: {error.strerror}", "check the path") from error
    except ValueError as error:
        raise ConfigError(f"{what} {str(path)!r}: {error}", "check the path") from error


def given_task(task: Task) -> TaskInput:
    """A task that a program gives, judged as one that is read.

    Raises:
        ConfigError: it is empty or too long, or no text.
    """
    return TaskInput(_task(task.text, task.name, task.name))


def load_task(argument: str) -> TaskInput:
    """A task from a folder (`task.md`, and `acceptance/` if there), a file, or the text itself.

    Raises:
        ConfigError: the file is missing, unreadable, empty or too long.
    """
    path = Path(argument)
    if not _names_file(argument):
        return TaskInput(_task(argument, "task", argument))
    if not _is_there(path):
        raise ConfigError(f"task {argument}: no such file", _hint(path))
    if path.is_dir():
        suite = path / "acceptance"
        text = read_text(path / "task.md", "task")
        return TaskInput(_task(text, path.resolve().name, argument), suite if suite.is_dir() else None)
    return TaskInput(_task(read_text(path, "task"), path.stem, argument))


def load_suite(folder: Path) -> dict[str, bytes]:
    """The files of an acceptance suite, by relative path; links are not followed.

    Raises:
        ConfigError: no folder, no test file in it, or larger than `SUITE_BYTES`.
    """
    if not folder.is_dir():
        raise ConfigError(f"acceptance suite {folder}: no such folder", "check the path")
    suite: dict[str, bytes] = {}
    settings = folder / SUITE_SETTINGS_NAME
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_symlink() or not path.is_file() or "__pycache__" in relative.parts or path == settings:
            continue
        try:
            suite[check_path(relative.as_posix())] = path.read_bytes()
        except (BadPath, OSError) as error:
            raise ConfigError(f"acceptance suite {folder}: {error}") from error
    if not any(Path(name).match("test_*.py") for name in suite):
        raise ConfigError(f"acceptance suite {folder}: it holds no test_*.py", "name the folder of the tests")
    if (size := sum(map(len, suite.values()))) > SUITE_BYTES:
        raise ConfigError(f"acceptance suite {folder}: {size:,} bytes; at most {SUITE_BYTES:,}")
    return suite


def load_suite_settings(folder: Path) -> SuiteSettings:
    """What the suite's `acceptance.yaml` says; the defaults without one.

    Raises:
        ConfigError: it cannot be read, or holds what no such file holds.
    """
    path = folder / SUITE_SETTINGS_NAME
    if not path.exists():
        return SuiteSettings()
    source = parse_yaml(read_text(path, "acceptance settings"), str(path))
    return validated(SuiteSettings, source, "the README on acceptance suites")


def load_config(path: Path | None, overrides: Iterable[str]) -> RunConfig:
    """The run config of a file, or the defaults, with `key=value` pairs of the command line.

    Raises:
        ConfigError: the file cannot be read, or holds what no config holds.
    """
    source = parse_yaml(read_text(path, "config"), str(path)) if path else YamlSource("command line", {}, {})
    for assignment in overrides:
        source = override(source, assignment)
    return validated(RunConfig, source)


def load_profile(name: str) -> ModelProfile:
    """A model profile by its shipped name or by path.

    Raises:
        ConfigError: there is none, or it holds what no profile holds.
    """
    path = _shipped_or_own(name, "models", "model", "profile")
    source = parse_yaml(read_text(path, "model profile"), str(path))
    return validated(ModelProfile, source, "the profiles of configs/models")


def load_checks(config: RunConfig) -> CheckPlan:
    """The checks of a run, and the image that holds their tools.

    Raises:
        ConfigError: there is no such set or image, a set holds what none holds, or the sets do not fit
            together.
    """
    if config.image is not None:
        demand_image(config.image)
    return plan_checks(
        [_load_set(name) for name in config.check_sets], config.rules, config.image, config.tests.coverage
    )


def load_prompts(config: RunConfig) -> Prompts:
    """The texts of a run: its domain's in the language that its check sets judge, the user's over them.

    Raises:
        ConfigError: the file cannot be read, a text does not fit, or the check sets are for no language that
            the domain has the model write, or for none that packages are installed for.
    """
    own = parse_yaml(read_text(Path(config.prompts), "prompts"), config.prompts) if config.prompts else None
    language = _language(config)
    if config.domain is not Domain.CODEBASE:
        return make_prompts(config.domain.value, {}, own)
    parts = _language_parts(language)
    if asking := how_to_ask(config.dependencies):
        if (tied := language.content.language if language else None) not in (None, "python"):
            raise ConfigError(
                f"key `dependencies.policy` is {config.dependencies.policy}: packages are "
                f"installed for Python, and the check sets are for {tied}",
                "set it to none",
            )
        parts = {**parts, "installed": f"{parts['installed']} {asking}"}
    return make_prompts(config.domain.value, parts, own)


def _language(config: RunConfig) -> NamedSet | None:
    """The first check set that is for one language; None where all are for any.

    Raises:
        ConfigError: two sets are for two languages, or the domain writes in none.
    """
    sets = [_load_set(name) for name in config.check_sets]
    tied = [one for one in sets if one.content.language is not None]
    for one in tied if config.domain is Domain.BOOK else ():
        raise ConfigError(
            f"key `checks`: the set {one.name} judges {one.content.language}, and a book is written in none",
            "name sets for any language, or the domain codebase",
        )
    for one in tied if config.domain is Domain.CODEBASE else ():
        if one.content.language != tied[0].content.language:
            first = tied[0]
            raise ConfigError(
                f"key `checks`: the set {first.name} judges {first.content.language}, and {one.name} judges "
                f"{one.content.language}: a codebase is written in one language",
                "name sets for one language, or for any",
            )
    return tied[0] if tied else None


def _language_parts(language: NamedSet | None) -> Mapping[str, str]:
    if language is None or language.content.language is None:
        # Sets for any language leave it to the domain.
        return shipped_language("python") or {}
    if (own := language.content.language_texts) is not None:
        return checked_parts(own, f"check set {language.name}, key `language_texts`")
    parts = shipped_language(language.content.language)
    if parts is None:
        raise ConfigError(
            f"check set {language.name}: LMAC has no texts for {language.content.language}",
            f"give the set `language_texts` with {', '.join(sorted(LANGUAGE_PARTS))}, "
            "as prompts/languages/python.yaml has them",
        )
    return parts


def _load_set(name: str) -> NamedSet:
    path = _shipped_or_own(name, "checks", "checks", "check set")
    source = parse_yaml(read_text(path, "check set"), str(path))
    content = validated(CheckSet, source, "the sets of configs/checks")
    for number, image in enumerate(content.images):
        _demand_listed_image(source, number, image)
    shipped = shipped_folder("configs") / "checks"
    return NamedSet(name, path.resolve().parent == shipped.resolve(), content)


def _demand_listed_image(source: YamlSource, number: int, image: str) -> None:
    try:
        demand_image(image)
    except ConfigError as error:
        raise ConfigError(f"{source.place(('images', number))}: {error.message}", error.next_step) from error


def _shipped_or_own(name: str, folder: str, key: str, what: str) -> Path:
    """The file of a shipped name, or the path of a user's own."""
    if name.endswith((".yaml", ".yml")) or "/" in name:
        return Path(name)
    shipped = shipped_folder("configs") / folder
    path = shipped / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in shipped.glob("*.yaml")))
        raise ConfigError(f"{key} {name!r}: no such {what}; shipped are {known}", f"or name a {what}'s path")
    return path


def resolve_key(profile: ModelProfile, environment: Mapping[str, str]) -> str | None:
    """The server's key from the environment; None when it needs none.

    Raises:
        ConfigError: the variable that the profile names is not set, or holds what no key holds.
    """
    variable = profile.server.api_key_env if profile.server else None
    if variable is None:
        return None
    if not environment.get(variable):
        raise ConfigError(
            f"model profile {profile.name}: the environment variable {variable} is not set",
            f"export {variable}=... with the server's key",
        )
    key = checked_key(environment[variable])
    if key is not None:
        note_secret(key)
    return key


def demand_own_server(profile: ModelProfile, model: str, folder: Path) -> None:
    """See that a recorded profile sends a key nowhere but where the user's own profile of that name does.

    A run's folder may come from somebody else, who would have any variable's value sent to any address.

    Args:
        model: As the run's config names it.
        folder: The run's.

    Raises:
        ConfigError: the user has no such profile, or it asks another server or with another key.
    """
    asked = profile.server
    if asked is None or asked.api_key_env is None:
        return
    try:
        own = None if Path(model).resolve().is_relative_to(folder.resolve()) else load_profile(model).server
    except (ConfigError, OSError, ValueError):
        own = None
    if own is None or (own.base_url, own.api_key_env) != (asked.base_url, asked.api_key_env):
        raise ConfigError(
            f"profile: the run sends the key in {asked.api_key_env} to "
            f"{asked.base_url or 'the default server'}, and no profile {model} of yours does",
            "if the run is your own and that server yours to ask, go on with --allow-drift profile",
        )


def resolve_weights(profile: ModelProfile, cache: Path) -> Path | None:
    """The weights of an embedded model; None for a server's.

    Raises:
        WeightsError: they are not here.
    """
    if profile.embedded is None:
        return None
    found = find_weights(profile.embedded.weights, cache / "weights")
    if found is None:
        own = profile.embedded.weights.file
        where = f"{own} is no GGUF file" if own else "they are not in the cache"
        raise WeightsError(f"weights of {profile.name}: {where}", SET_UP)
    return found


def _names_file(argument: str) -> bool:
    """Whether a task argument is meant as a path: it is there, or looks like one."""
    if not argument.strip():
        return False
    looks = len(argument.split()) == 1 or argument.lower().rstrip().endswith(_TEXT_SUFFIXES)
    return (looks and "\n" not in argument) or _is_there(Path(argument))


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        # A sentence can be longer than any file's name.
        return False


def _hint(path: Path) -> str:
    """What to do about a task file that is not there."""
    tasks = shipped_folder("configs") / "tasks"
    if path.name in {folder.name for folder in tasks.iterdir()}:
        shipped = tasks / path.name
        here = Path.cwd()
        return f"name its path: {shipped.relative_to(here) if shipped.is_relative_to(here) else shipped}"
    return "check the path; a task's own text has more than one word and does not end like a file's name"


def _task(text: str, name: str, argument: str) -> Task:
    if not text.strip():
        raise ConfigError(f"task {argument!r}: it is empty", "write what shall be built")
    if len(text) > TASK_CHARACTERS:
        raise ConfigError(f"task {name}: {len(text):,} characters; at most {TASK_CHARACTERS:,}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"task {name}: not Unicode (character {error.start})", "give it in UTF-8"
        ) from error
    short = re.sub(r"[^a-z0-9]+", "-", name.lower())[:40].strip("-")
    return Task(text.strip(), short or "task")
