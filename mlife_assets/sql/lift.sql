-- Do more people apply because they were written to: treated against holdout, week by week and in all?
--
-- experiment          which experiment: the salt of its arms
-- period_kind         week, or total: since the first day
-- period_start_date   first day of the period
-- period_end_date     last day of the period
-- treated_users       people of the treated arm, each once a period
-- holdout_users       people who get nothing, each once a period
-- treated_apply_rate  share of the treated who applied to anything, 0 to 1
-- holdout_apply_rate  the same of the holdout, 0 to 1
-- lift                treated minus holdout, in shares: 0.01 is one percentage point
-- is_closed           whether everything of the period has been observed

select
    experiment,
    period_kind,
    period_start_date,
    period_end_date,
    cast(sum(case when arm = 'treated' then eligible_users else 0 end) as bigint) as treated_users,
    cast(sum(case when arm = 'holdout' then eligible_users else 0 end) as bigint) as holdout_users,
    max(case when arm = 'treated' then apply_rate end) as treated_apply_rate,
    max(case when arm = 'holdout' then apply_rate end) as holdout_apply_rate,
    max(case when arm = 'treated' then apply_rate end) - max(case when arm = 'holdout' then apply_rate end) as lift,
    bool_and(is_closed) as is_closed

from marts.experiment_readout
group by experiment, period_kind, period_start_date, period_end_date
order by experiment, period_kind, period_start_date
