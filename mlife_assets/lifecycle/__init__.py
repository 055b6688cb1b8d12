"""What happens to a model in a day, whoever plays it: the assets of a deployment, or a market in memory.

Belongs here: the sequence of a day of any model, pure; what is known comes through one port, `facts.Facts`.
Does not belong here: how a step is computed (`core`), what knows a domain, IO, clock, Dagster.

The sequence:

1. Watch: quality, data drift, latent drift and concept drift of the newest rows, by what is normal to the champion.
2. Decide: the governor says retrain, wait or block (`core.monitoring.governor`): a refit is due a week after the last,
   at once when drift is confirmed, and never on faulty data.
3. Learn: a fit on everything mature, which would serve, and the folds that speak for it (`day.folds_fitted`).
4. Judge: who is asked for the challenger and for what was served about which days (`day.window_of_folds`), then the
   gate (`day.judged_by_folds`): a refit serves unless something speaks against it or refits are rolled back
   (`rollback`), a change has to win.
5. Promote: the challenger serves from the first run after its promotion on (`day.begins_to_serve`). Its folds speak for
   it about days that its fit has learned from (`day.asked_for`).
"""
