"""Models and applications as files declare them: the keys of an instance, checked and put onto a record.

Concept: a model is Python that knows features, and policies that a person may want to change without Python. The second
part stands in a `defs.yaml`. Dagster and the command line both hand the attributes of that file to this module as they
are written, so there is one meaning, and one error that names file, instance, attribute, bound and remedy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, TypeAlias, TypeVar

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.model import Model
from mlife_assets.core.quoting import quoted, require_name
from mlife_assets.core.stated_policies import is_of_kind, is_said, named, stated_attribute
from mlife_assets.recruiting.application import Application, Audience, Channel
from mlife_assets.recruiting.events import JOB_APPLICATIONS
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY
from mlife_assets.recruiting.policies import Policies

Declaration: TypeAlias = Callable[[Policies], Model]
"""A model as a deployment with certain policies has it."""
MODEL_POLICIES = ("training", "promotion", "monitoring", "retrain", "backtest")
MODEL_ATTRIBUTES = ("name", "declaration", *MODEL_POLICIES)
APPLICATION_FIELDS = ("title", "model_name", "channel", "items", "weekdays", "holdout_share")
APPLICATION_ATTRIBUTES = ("name", *APPLICATION_FIELDS, "audience", "policy", "calls")
TEMPLATE = "{{"
_ATTRIBUTE = re.compile(r"[a-z_]+[:.]")
"""How an error begins that is about one attribute."""
Made = TypeVar("Made")


@dataclass(frozen=True)
class Instance:
    """What one document of a file states, as it is written.

    Attributes:
        place: the file, as errors name it.
        attributes: names and values.
    """

    place: str
    attributes: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Its name. Raises InvalidInputError when it states none."""
        name = self.attributes.get("name")
        if not is_said(name):
            raise InvalidInputError(f"{self.place}, attributes.name: it is {quoted(name)}; name the instance")
        return str(name)

    def placed(self, make: Callable[[], Made]) -> Made:
        """Return what `make` makes. Raises InvalidInputError that begins with the file and the instance."""
        where = f"{self.place}, {self.name}, attributes"
        try:
            return make()
        except InvalidInputError as error:
            raise InvalidInputError(f"{where}{'.' if _ATTRIBUTE.match(str(error)) else ': '}{error}") from error

    def require_known(self, known: Sequence[str], required: Sequence[str]) -> None:
        """Raise InvalidInputError for an attribute that there is not, one that is missing, and a template."""
        if unknown := [name for name in self.attributes if name not in known]:
            raise InvalidInputError(f"{quoted(unknown[0])} is unknown; known are {', '.join(known)}")
        for name in required:
            if not is_said(self.attributes.get(name)):
                raise InvalidInputError(f"{name}: it is {quoted(self.attributes.get(name))}; state it in words")
        for name, value in self.attributes.items():
            if any(TEMPLATE in text for text in _texts(value)):
                raise InvalidInputError(
                    f"{name}: it holds a template; the command line reads the file too and fills in none, so write "
                    "the value"
                )


@dataclass(frozen=True)
class DeclaredModel:
    """A model as a file declares it.

    Called with the policies of a deployment, it returns the model. The file overrides defaults, and the deployment
    overrides the file: by policy fields that differ from the default or that the environment set.

    Attributes:
        instance: the content of the file.
        declare: the Python that knows features and candidates.
    """

    instance: Instance
    declare: Declaration

    @property
    def name(self) -> str:
        return self.instance.name

    def __call__(self, policies: Policies) -> Model:
        """Return the model. Raises InvalidInputError naming file, instance, attribute, bound and remedy."""
        return self.instance.placed(lambda: self._model(policies))

    def _model(self, policies: Policies) -> Model:
        declared = self.declare(policies)
        if not isinstance(declared, Model):
            raise InvalidInputError(
                f"declaration: {quoted(self.instance.attributes['declaration'])} returns a {type(declared).__name__}; "
                "name a function that takes Policies and returns a Model"
            )
        stated = {
            name: stated_attribute(name, getattr(declared, name), self._given(name, getattr(declared, name), policies))
            for name in MODEL_POLICIES
            if name in self.instance.attributes
        }
        return replace(declared, name=self.name, **stated)

    def _given(self, name: str, declared: object, policies: Policies) -> Any:
        """Return the file's values of a policy, without those that the deployment overrides in a shared policy."""
        given = self.instance.attributes[name]
        return _undecided(name, given, policies) if declared is getattr(policies, name) else given


@dataclass(frozen=True)
class DeclaredApplication:
    """An application as a file declares it; called with the policies of a deployment, it returns the record."""

    instance: Instance

    @property
    def name(self) -> str:
        return self.instance.name

    def __call__(self, policies: Policies) -> Application:
        """Return the application. Raises InvalidInputError naming file, instance, attribute, bound and remedy."""
        return self.instance.placed(lambda: self._application(policies))

    def _application(self, policies: Policies) -> Application:
        given = self.instance.attributes
        of_policy = _undecided("messaging", given.get("policy", {}), policies)
        policy = stated_attribute("policy", policies.messaging, of_policy)
        bare = Application(self.name, str(given["title"]), str(given["model_name"]), policy=policy)
        stated = {name: given[name] for name in APPLICATION_FIELDS if name in given}
        for name, value in stated.items():
            if not is_of_kind(value, getattr(bare, name)):
                raise InvalidInputError(f"{name}: it is {quoted(value)}; the default is {quoted(getattr(bare, name))}")
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in stated.items()
        }
        audience = stated_attribute("audience", Audience(), given.get("audience", {}))
        calls = stated_attribute("calls", bare.calls, given.get("calls", {}))
        return replace(bare, audience=audience, calls=calls, **fields)


def declared_model(instance: Instance, find: Callable[[str], Declaration]) -> DeclaredModel:
    """Return the model that an instance declares; `find` returns the function that a dotted name stands for.

    Raises:
        InvalidInputError: an attribute is unknown or missing, or the function is not there.
    """

    def checked() -> DeclaredModel:
        instance.require_known(MODEL_ATTRIBUTES, ("declaration",))
        named("name", lambda: require_name("it", instance.name))
        return DeclaredModel(instance, named("declaration", lambda: find(instance.attributes["declaration"])))

    return instance.placed(checked)


def declared_application(instance: Instance) -> DeclaredApplication:
    """Return the application that an instance declares. Raises InvalidInputError: one is unknown or missing."""

    def checked() -> DeclaredApplication:
        instance.require_known(APPLICATION_ATTRIBUTES, ("title", "model_name"))
        named("name", lambda: require_name("it", instance.name))
        return DeclaredApplication(instance)

    return instance.placed(checked)


@dataclass(frozen=True)
class Declared:
    """All that the files of a deployment declare; the models and applications that were there first come first."""

    models: tuple[DeclaredModel, ...]
    applications: tuple[DeclaredApplication, ...]


def declared_together(models: Iterable[DeclaredModel], applications: Iterable[DeclaredApplication]) -> Declared:
    """Return instances in order.

    Raises:
        InvalidInputError: two have one name, an application names a model that nobody declares, or there is no model
            of job applications.
    """
    found = Declared(
        models=tuple(sorted(models, key=lambda one: (one.name != JOB_APPLICATIONS, one.name))),
        applications=tuple(sorted(applications, key=lambda one: (one.name != JOB_OF_THE_DAY, one.name))),
    )
    for kind, instances in (
        ("a model", [one.instance for one in found.models]),
        ("an application", [one.instance for one in found.applications]),
    ):
        for before, after in pairwise(instances):
            if before.name == after.name:
                raise InvalidInputError(
                    f"{after.place}, {after.name}, attributes.name: {before.place} declares {kind} of this name, "
                    "too; give each a name of its own"
                )
    names = [model.name for model in found.models]
    if JOB_APPLICATIONS not in names:
        raise InvalidInputError(
            f"no file declares the model {JOB_APPLICATIONS}, from which texts are chosen; restore its instance"
        )
    for application in found.applications:
        application.instance.placed(partial(_require_models, application.instance.attributes, names))
    return found


def _require_models(given: Mapping[str, Any], known: Sequence[str]) -> None:
    audience = given.get("audience")
    chosen_by = audience.get("model_name") if isinstance(audience, Mapping) else None
    for attribute, name in (("model_name", given["model_name"]), ("audience.model_name", chosen_by)):
        if name and name not in known:
            raise InvalidInputError(f"{attribute}: no model is called {quoted(name)}; declared are {', '.join(known)}")


def _undecided(name: str, given: Any, policies: Policies) -> Any:
    """Return the file's values of a policy, without the fields that the deployment's code or environment overrides."""
    if not isinstance(given, Mapping):
        return given
    own, default = getattr(policies, name), getattr(Policies(), name)
    return {
        field: value
        for field, value in given.items()
        if f"{name}.{field}" not in policies.decided and getattr(own, field, None) == getattr(default, field, None)
    }


def _texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [text for inner in value.items() for one in inner for text in _texts(one)]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    return [value] if isinstance(value, str) else []


def models_of(policies: Policies, declared: Sequence[Declaration]) -> tuple[Model, ...]:
    """Return the models as a deployment with these policies has them. Raises InvalidInputError on a repeated name."""
    found = tuple(declare(policies) for declare in declared)
    names = [model.name for model in found]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise InvalidInputError(f"two models are called {repeated[0]}; give each a name of its own")
    return found


def model_named(policies: Policies, name: str, declared: Sequence[Declaration]) -> Model:
    """Return a model by name. Raises InvalidInputError naming the known ones."""
    found = models_of(policies, declared)
    for model in found:
        if model.name == name:
            return model
    raise InvalidInputError(f"no model is called {quoted(name)}; known are {', '.join(one.name for one in found)}")


def job_of_the_day(policies: Policies) -> Application:
    """Return the texts about one job, every day that its policy allows."""
    return Application(
        name=JOB_OF_THE_DAY, title="Job of the day", model_name=JOB_APPLICATIONS, policy=policies.messaging
    )


ApplicationDeclaration: TypeAlias = Callable[[Policies], Application]
"""An application as a deployment with certain policies has it."""


def applications_of(policies: Policies, declared: Sequence[ApplicationDeclaration]) -> tuple[Application, ...]:
    """Return the applications as a deployment with these policies has them.

    Raises:
        InvalidInputError: a repeated name.
    """
    found = tuple(declare(policies) for declare in declared)
    names = [application.name for application in found]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise InvalidInputError(f"two applications are called {repeated[0]}; give each a name of its own")
    return found


def within_budget(application: Application, texts_per_day: int | None) -> Application:
    """Return an application that plans no more texts a day than all together may send."""
    policy = application.policy
    if texts_per_day is None or application.channel is not Channel.SMS:
        return application
    most = min(policy.maximum_messages_per_day, texts_per_day)
    return replace(application, policy=replace(policy, maximum_messages_per_day=most))


def application_named(found: Sequence[Application], name: str) -> Application:
    """Return an application by name. Raises InvalidInputError naming the known ones."""
    for application in found:
        if application.name == name:
            return application
    known = ", ".join(one.name for one in found)
    raise InvalidInputError(f"no application is called {quoted(name)}; known are {known}")
