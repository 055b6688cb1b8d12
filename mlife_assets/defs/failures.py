"""What a failed step says first.

Belongs here: turning an error of ours into Dagster's own kind of failure, for every step at once. Does not belong here:
what goes wrong, and what to do (`core.errors` says both).

Concept: Dagster shows an error of a step below its own frames, and the run's last line shows only those. A
`dg.Failure` is shown as it is: sentence, remedy, link to the runbook. The error itself stays its cause.
"""

import copy
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import dagster as dg
from dagster._core.definitions.decorators.op_decorator import DecoratedOpFunction

from mlife_assets.core.errors import MlifeError, PermanentError, TransientError
from mlife_assets.defs.links import runbook_link
from mlife_assets.defs.runbooks import FAILED_RUN

Made = TypeVar("Made", bound=dg.AssetsDefinition)


def outspoken(made: Made) -> Made:
    """Return an asset, or a check, whose step says first what failed; the one that was given stays as it is."""
    # Dagster has no hook around the function of a step, and a decorator of our own would have to stand at each asset.
    step, compute = copy.copy(made.op), made.op.compute_fn
    if not isinstance(compute, DecoratedOpFunction):
        raise PermanentError(f"the step of {made.op.name} is no decorated function; make it with dg.asset or the like")
    step._compute_fn = DecoratedOpFunction(_says_why(compute.decorated_fn))
    return cast("Made", type(made).dagster_internal_init(**{**made.get_attributes_dict(), "node_def": step}))


def _says_why(function: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def step(*arguments: Any, **named: Any) -> Iterator[Any]:
            try:
                yield from function(*arguments, **named)
            except MlifeError as error:
                raise _failure(error, named.get("platform")) from error

    else:

        @functools.wraps(function)
        def step(*arguments: Any, **named: Any) -> Any:
            try:
                return function(*arguments, **named)
            except MlifeError as error:
                raise _failure(error, named.get("platform")) from error

    return step


def _failure(error: MlifeError, platform: Any) -> dg.Failure:
    metadata = {} if platform is None else {"runbook": runbook_link(platform, FAILED_RUN)}
    words = str(error)
    return dg.Failure(words[:1].upper() + words[1:], metadata, allow_retries=isinstance(error, TransientError))
