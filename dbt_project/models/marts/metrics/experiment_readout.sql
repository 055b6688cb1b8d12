with

exposed as (

    select * from {{ ref('stg_events__experiment_exposed') }}

),

applies as (

    select * from {{ ref('applies') }}

),

days as (

    select
        *,
        cast(date_trunc('week', as_of_date) as date) as week_start_date,
        min(as_of_date) over (partition by experiment) as first_date,
        max(as_of_date) over (partition by experiment) as last_date

    from exposed

),

periods as (

    select 'week' as period_kind, week_start_date as period_start_date, {{ days_after('week_start_date', 6) }} as period_end_date, *
    from days
    union all
    select 'total' as period_kind, first_date as period_start_date, last_date as period_end_date, *
    from days

),

-- Intention to treat: a user belongs to the arm and counts from the moment of the first exposure in the period.
eligible as (

    select
        experiment,
        period_kind,
        period_start_date,
        period_end_date,
        user_id,
        min_by(arm, row(occurred_at, event_id)) as arm,
        min(occurred_at) as eligible_at

    from periods
    group by experiment, period_kind, period_start_date, period_end_date, user_id

),

bids as (

    select job_id, max_by(bid_usd_per_apply, row(observed_at, event_id)) as bid_usd_per_apply
    from {{ ref('stg_events__job_posted') }}
    group by job_id

),

-- What each user applied to in the period, whatever caused it, and what employers bid for these applies.
converted as (

    select
        eligible.experiment,
        eligible.period_kind,
        eligible.period_start_date,
        eligible.period_end_date,
        eligible.arm,
        eligible.user_id,
        count(applies.apply_event_id) > 0 as is_converted,
        coalesce(sum(cast(bids.bid_usd_per_apply as decimal(18, 6))), 0) as bids_usd

    from eligible
    left join applies
        on
            eligible.user_id = applies.user_id
            and eligible.eligible_at <= applies.occurred_at
            and eligible.period_end_date >= applies.apply_date
    left join bids on applies.job_id = bids.job_id
    group by
        eligible.experiment,
        eligible.period_kind,
        eligible.period_start_date,
        eligible.period_end_date,
        eligible.arm,
        eligible.user_id

),

known as (

    select max(cast(observed_at as date)) as last_observed_date from applies

),

final as (

    select
        ---------- keys
        experiment,
        period_kind,
        period_start_date,
        arm,

        ---------- dates
        period_end_date,

        ---------- counts
        count(*) as eligible_users,
        count(*) filter (where is_converted) as users_with_apply,

        ---------- rates
        cast(count(*) filter (where is_converted) as double) / count(*) as apply_rate,

        ---------- money
        {{ exact_sum('bids_usd') }} as bids_usd,
        {{ exact_sum('bids_usd * bids_usd') }} as bids_usd_squared,

        ---------- booleans
        coalesce(max(last_observed_date) >= period_end_date, false) as is_closed

    from converted
    cross join known
    group by experiment, period_kind, period_start_date, period_end_date, arm

)

select * from final
