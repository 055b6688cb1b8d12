"""A new home of a standalone deployment: a folder that a person fills.

Concept: files to fill in have a header only and are private from the first byte: an example person might get a message.
The letterhead is an example, under which mails are only rehearsed. A folder with content is left alone.
"""

from __future__ import annotations

import shlex
from datetime import date
from pathlib import Path

from mlife_assets.adapters.home_files import LETTERHEAD
from mlife_assets.adapters.instance_files import read_declared
from mlife_assets.adapters.landing_templates import Kind, write_templates
from mlife_assets.adapters.owners_table import ADDRESS, NUMBER, USER_ID
from mlife_assets.adapters.private_files import private_folder, write_private
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.training.fairness.results import ETHNICITIES, SEXES
from mlife_assets.core.training.training_set import least_history_days
from mlife_assets.recruiting.events import MARKET_EVENT_TYPES
from mlife_assets.recruiting.instances import models_of
from mlife_assets.recruiting.mail.letterhead import EXAMPLE
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import DBT_PROJECT_FOLDER, DEFS_FOLDER, Settings

CONTACTS_FILE, AUDIT_FILE = "contacts.csv", "audit.csv"
TEMPLATES, READ_ME = "templates", "README.md"
SAYS = """# A home of mlife

Begun on data from {first_day} on, with {history_days} days of history. Every process that works in it needs one
variable:

    export MLIFE_HOME={home}

1. **People.** Fill `private/{contacts}` ({contact_columns}) and `private/{audit}` ({audit_columns}), one row a user.
   Groups are {groups}. Both files stay readable by their owner alone.
2. **Events.** What your systems deliver, each day for the day before, is described in `{templates}/`. Try a file out
   before it is delivered, then put it where its kind and day say:

       mlife landing check --type click --day {first_day} export.parquet
       {landing}/click/dt={first_day}/export.parquet

3. **Look.** `mlife doctor` lists missing parts, each with its remedy.
4. **Run.** `mlife dev` opens Dagster. Turn `due_days_sensor` on once the history is delivered; days then run by
   themselves. Alerts are posted to `MLIFE_ALERT_WEBHOOK` where it is set.
5. **Send.** `mlife plan show` and `mlife plan approve`: nothing is sent that nobody approved. Texts and mails are
   rehearsed, to nobody. For mails to people write your own `{letterhead}` and set `MLIFE_MAIL_RELAY`.

docs/standalone.md of mlife says the rest.
"""


def begin_home(
    home: Path,
    *,
    first_day: date,
    history_days: int,
    deployment: str = "standalone",
    policies: Policies | None = None,
) -> list[Path]:
    """Begin a standalone home in an empty folder, for MLIFE_DEPLOYMENT; return the written files in order.

    Raises InvalidInputError if the folder is not empty, the environment contradicts, or the history is too short.
    """
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise InvalidInputError(f"{home} is not an empty folder; name a new one")
    settings = Settings(
        home=home,
        deployment=deployment,
        first_day=first_day,
        history_days=history_days,
        contacts=CONTACTS_FILE,
        audit_table=AUDIT_FILE,
        letterhead=Path(LETTERHEAD),
    )
    first_model = models_of(policies or settings.policies(), read_declared(DEFS_FOLDER).models)[0]
    if history_days < (least := least_history_days(first_model)):
        raise InvalidInputError(
            f"{history_days} days of history are too few: under these policies the first model needs {least}; give "
            f"{least} or more, since a home keeps this setting for ever"
        )
    columns = {CONTACTS_FILE: (USER_ID, NUMBER, ADDRESS), AUDIT_FILE: (USER_ID, "sex", "race_ethnicity")}
    try:
        home.mkdir(parents=True, exist_ok=True)
        if settings.owner.landing is None:
            settings.places.landing_folder.mkdir()
    except OSError as error:
        raise InvalidInputError(f"{home} cannot be written ({error.strerror}); name another folder") from error
    settings.memory.keep_deployment()
    private_folder(settings.private_folder)
    written = [settings.private_folder / name for name in columns]
    for path in written:
        write_private(path, (",".join(columns[path.name]) + "\n").encode())
    (home / LETTERHEAD).write_text(EXAMPLE, encoding="utf-8")
    write_templates(home / TEMPLATES, MARKET_EVENT_TYPES, list(Kind), dbt_project=DBT_PROJECT_FOLDER)
    text = SAYS.format(
        home=shlex.quote(str(settings.home)),
        first_day=first_day,
        history_days=history_days,
        contacts=CONTACTS_FILE,
        audit=AUDIT_FILE,
        letterhead=LETTERHEAD,
        templates=TEMPLATES,
        landing=settings.owner.landing or "landing",
        contact_columns=", ".join(columns[CONTACTS_FILE]),
        audit_columns=", ".join(columns[AUDIT_FILE]),
        groups=", ".join([*SEXES, *ETHNICITIES]),
    )
    (home / READ_ME).write_text(text, encoding="utf-8")
    landing = [] if settings.owner.landing else [settings.places.landing_folder]
    return [*written, home / LETTERHEAD, *landing, home / TEMPLATES, home / READ_ME]
