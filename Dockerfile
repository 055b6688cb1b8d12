# The one image of mlife on AWS: code location, daemon, web server, runs. What it needs is in infra/README.md, "The image needs".
#
# PYTHON_BASE has no default, since nothing here can look up a digest that is known to be right. `.github/workflows/deploy.yml` hands over
# `python_base` of infra/parameters/accounts.yaml, so that the same base is built on again.
ARG PYTHON_BASE

FROM ${PYTHON_BASE} AS build
ARG PYTHON_BASE
RUN case "${PYTHON_BASE}" in *@sha256:*) ;; *) echo "PYTHON_BASE names no digest" >&2; exit 1 ;; esac
WORKDIR /app
COPY constraints.txt deploy/requirements.txt ./
# Pip installs uv alone, by its hash; uv installs the rest, by theirs. Every package is a wheel, so nothing is compiled.
RUN sed -n '/^uv==/,/[^\\]$/p' constraints.txt > uv.txt && python -m venv /uv && /uv/bin/pip install --quiet --require-hashes -r uv.txt
# Bytecode holds whatever times the layers give to files, since a task can write none: its root is read-only.
RUN python -m venv --without-pip .venv && PYC_INVALIDATION_MODE=UNCHECKED_HASH /uv/bin/uv pip sync --quiet --compile-bytecode --no-build --require-hashes --python .venv/bin/python requirements.txt \
    && rm constraints.txt requirements.txt uv.txt
COPY pyproject.toml LICENSE workspace.aws.yaml ./
COPY dbt_project dbt_project
COPY docs/runbooks docs/runbooks
COPY mlife_assets mlife_assets
# mlife runs from its checkout, beside the dbt project. What is made at first use is made here: the root is read-only later.
RUN echo /app > .venv/lib/python3.11/site-packages/mlife.pth \
    && printf '#!/app/.venv/bin/python\nfrom mlife_assets.cli import main\n\nmain()\n' > .venv/bin/mlife && chmod 755 .venv/bin/mlife \
    && .venv/bin/python -m compileall -q --invalidation-mode unchecked-hash mlife_assets \
    && .venv/bin/python -c "from mlife_assets.components.features.dbt import ensure_manifest as parse; \
from mlife_assets.settings import DBT_PROJECT_FOLDER as project; parse(project)"

FROM ${PYTHON_BASE}
# LightGBM's wheel asks the system for OpenMP. The base has Python's own modules without bytecode, which each process would compile again.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
    && python -m pip uninstall -y -q pip setuptools wheel \
    && python -m compileall -q --invalidation-mode unchecked-hash /usr/local/lib/python3.11
COPY --from=build /app /app
COPY deploy/dagster.aws.yaml /scratch/dagster/dagster.yaml
RUN chown -R 10001:10001 /scratch
# Fargate gives the volume the files and the owner that the folder has here, since it is declared after them.
VOLUME /scratch
ENV PATH=/app/.venv/bin:$PATH HOME=/scratch MPLCONFIGDIR=/scratch/matplotlib PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /app
USER 10001:10001
