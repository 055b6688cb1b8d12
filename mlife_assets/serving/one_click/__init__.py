"""The end of mails by one click."""

from mlife_assets.serving.one_click.app import create_one_click_app

__all__ = ["create_one_click_app"]
