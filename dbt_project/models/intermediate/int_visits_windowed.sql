with

as_of_dates as (

    select * from {{ ref('int_as_of_dates_spined') }}

),

visits as (

    select
        user_id,
        available_date,
        {{ iso_weekday(days_after('available_date', -1)) }} >= 6 as is_weekend,
        count(*) filter (where activity_kind = 'impression') as impressions,
        count(*) filter (where activity_kind = 'apply') as applies

    from {{ ref('int_activities_stacked') }}
    where activity_kind <> 'message'
    and available_date > (select {{ days_after('min(as_of_date)', -28) }} from as_of_dates)
    group by user_id, available_date

),

windowed as (

    select
        as_of_dates.as_of_date,
        visits.user_id,
        date_diff('day', max(available_date), as_of_date) + 1 as days_since_last_seen,
        date_diff('day', min(available_date), as_of_date) + 1 as days_since_first_seen_28d,
        date_diff('day', max(available_date) filter (where applies > 0), as_of_date) + 1 as days_since_last_apply,
        count(*) filter (where available_date > {{ days_after('as_of_date', -7) }}) as active_days_7d,
        count(*) as active_days_28d,
        count(*) filter (where is_weekend) as weekend_active_days_28d,
        cast(coalesce(sum(impressions), 0) as bigint) as user_impressions_28d

    from as_of_dates
    inner join visits
        on visits.available_date <= as_of_dates.as_of_date
        and visits.available_date > {{ days_after('as_of_dates.as_of_date', -28) }}
    group by as_of_dates.as_of_date, visits.user_id

)

select * from windowed
