"""Whether a reply asks us, in whatever words, to stop."""

from mlife_assets.recruiting.messaging.opt_outs.decision import opt_out_rule

__all__ = ["opt_out_rule"]
