"""The day of a model, for all drivers: the assets of a deployment, or a market in memory.

Belongs here: the sequence of a day of any model, pure; knowledge comes through one port, `facts.Facts`. Does not belong
here: the computation of a step (`core`), domain knowledge, IO, clock, Dagster.

The sequence:

1. Watch: quality, data drift, latent drift and concept drift of the newest rows, against the champion's reference.
2. Decide: the governor says retrain, wait or block (`core.monitoring.governor`): a refit is due a week after the last,
   at once when drift is confirmed, and never on faulty data.
3. Learn: a fit on everything mature, which would serve, and its folds for judgement (`day.folds_fitted`).
4. Judge: models of the challenger and of serving by day (`day.window_of_folds`), then the gate (`day.judged_by_folds`):
   a refit serves unless a condition fails or refits are rolled back (`rollback`), a change has to win.
5. Promote: the challenger serves from the first run after its promotion on (`day.begins_to_serve`). Its folds score the
   days that its fit has learned from (`day.asked_for`).
"""
