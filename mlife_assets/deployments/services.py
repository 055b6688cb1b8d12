"""What keeps things for a home that lasts: files of its own, a bucket and a database that its settings name."""

from __future__ import annotations

from mlife_assets.adapters.keyring import Keyring
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.ports import AlertChannel
from mlife_assets.deployments.keys import heads_in_folder
from mlife_assets.deployments.record import Home, Services


def services_of(home: Home) -> Services:
    """Return what keeps things for a home; makes nothing yet."""
    settings = home.settings

    def number_key() -> bytes:
        """Return the key of number hashes, on which nothing else depends: the setting's, else this home's own."""
        key = settings.hash_key
        return home.keyring.key("numbers") if key is None else key.get_secret_value().encode()

    def alert_channel() -> AlertChannel | None:
        if settings.alert_webhook is None:
            return None
        from mlife_assets.adapters.alert_webhook import AlertWebhook

        return AlertWebhook(settings.alert_webhook)

    return Services(
        lake=lambda: ObstoreObjectStore.at(settings.lake_place),
        database=lambda: None if settings.database is None else settings.database.get_secret_value(),
        keyring=lambda: Keyring(home.private_folder / "keys", seed=settings.key_seed),
        number_key=number_key,
        heads=lambda: heads_in_folder(settings.private_folder, lambda: home.keyring),
        alert_channel=alert_channel,
    )
