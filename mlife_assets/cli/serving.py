"""`mlife serve`.

Belongs here: starting the endpoint on this machine. Does not belong here: the endpoint (`serving`).

Concept: the champion is asked for with every request, so a rollback needs no restart.
"""

from __future__ import annotations

from mlife_assets.cli.session import Session
from mlife_assets.core.errors import NotFoundError


def serve_champion(session: Session, host: str, port: int) -> None:
    """Serve until interrupted. Raises NotFoundError where no model was promoted yet."""
    import uvicorn

    from mlife_assets.core.inference.scoring import LightGBMScorer
    from mlife_assets.serving.app import create_app

    platform = session.platform

    def champion() -> LightGBMScorer:
        version = platform.registry.champion()
        if version is None:
            raise NotFoundError("no model was promoted yet, so there is nothing to serve; `mlife demo` promotes one")
        return platform.scorer(version)

    session.tell(f"serving {champion().model_version} on http://{host}:{port}")
    uvicorn.run(create_app(champion), host=host, port=port, log_level="warning")
