"""Pages for people, over HTTP on this machine."""

from mlife_assets.serving.site.app import MARK, create_site
from mlife_assets.serving.site.contents import SiteContents

__all__ = ["MARK", "SiteContents", "create_site"]
