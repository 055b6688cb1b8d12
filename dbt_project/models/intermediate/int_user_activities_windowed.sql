with

as_of_dates as (

    select * from {{ ref('int_as_of_dates_spined') }}

),

activities as (

    select
        user_id,
        available_date,
        count(*) filter (where activity_kind = 'impression') as impressions,
        count(*) filter (where activity_kind = 'message') as messages,
        count(*) filter (where activity_kind = 'click') as clicks,
        count(*) filter (where activity_kind = 'apply') as applies

    from {{ ref('int_activities_stacked') }}
    where available_date > (select {{ days_after('min(as_of_date)', -28) }} from as_of_dates)
    group by user_id, available_date

),

windowed as (

    select
        as_of_dates.as_of_date,
        activities.user_id,
        coalesce(sum(impressions) filter (where available_date > {{ days_after('as_of_date', -7) }}), 0) as user_impressions_7d,
        coalesce(sum(clicks) filter (where available_date > {{ days_after('as_of_date', -7) }}), 0) as user_clicks_7d,
        sum(clicks) as user_clicks_28d,
        sum(applies) as user_applies_28d,
        sum(messages) as user_messages_28d

    from as_of_dates
    inner join activities
        on activities.available_date <= as_of_dates.as_of_date
        and activities.available_date > {{ days_after('as_of_dates.as_of_date', -28) }}
    group by as_of_dates.as_of_date, activities.user_id

)

select * from windowed
