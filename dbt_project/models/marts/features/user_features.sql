{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='append_new_columns',
    pre_hook="{{ delete_as_of_range('as_of_date') }}"
) }}

with

as_of_dates as (

    select * from {{ ref('int_as_of_dates_spined') }}

),

snapshots as (

    select * from {{ ref('int_user_snapshots_versioned') }}

),

consents as (

    select * from {{ ref('int_consents_resolved') }}
    where channel = 'sms'

),

mail_consents as (

    select * from {{ ref('int_consents_resolved') }}
    where channel = 'email'

),

activities as (

    select * from {{ ref('int_user_activities_windowed') }}

),

click_dates as (

    select distinct user_id, available_date from {{ ref('stg_events__click') }}

),

known_users as (

    select user_id, min(version_date) as version_date
    from snapshots
    group by user_id

),

users as (

    select as_of_dates.as_of_date, known_users.user_id
    from as_of_dates
    inner join known_users on known_users.version_date <= as_of_dates.as_of_date

),

described as (

    select users.as_of_date, snapshots.*
    from users
    {{ join_latest('inner', 'snapshots', 'user_id', of='users', since='version_date', at='as_of_date') }}

),

final as (

    select
        ---------- keys
        described.as_of_date,
        described.user_id,

        ---------- text
        described.metro_code,
        described.state_code,
        described.time_zone,
        described.occupation_group as user_occupation_group,
        described.shift as user_shift,

        ---------- numbers
        described.latitude,
        described.longitude,
        described.seniority as user_seniority,
        described.reservation_pay_usd_per_hour,
        {% for k in range(1, 9) -%}
            described.taste_embedding[{{ k }}] as taste_{{ k }},
        {% endfor %}
        ---------- counts
        cast(coalesce(activities.user_impressions_7d, 0) as bigint) as user_impressions_7d,
        cast(coalesce(activities.user_clicks_7d, 0) as bigint) as user_clicks_7d,
        cast(coalesce(activities.user_clicks_28d, 0) as bigint) as user_clicks_28d,
        cast(coalesce(activities.user_applies_28d, 0) as bigint) as user_applies_28d,
        cast(coalesce(activities.user_messages_28d, 0) as bigint) as user_messages_28d,
        date_diff('day', click_dates.available_date, described.as_of_date) + 1 as days_since_last_click,
        date_diff('day', cast(described.signed_up_at as date), described.as_of_date) as tenure_days,

        ---------- booleans
        coalesce(consents.is_consented, false) as is_consented,
        coalesce(mail_consents.is_consented, false) as is_consented_email

    from described
    {{ join_latest('left', 'consents', 'user_id', of='described', since='available_date', at='as_of_date') }}
    {{ join_latest('left', 'mail_consents', 'user_id', of='described', since='available_date', at='as_of_date') }}
    {{ join_latest('left', 'click_dates', 'user_id', of='described', since='available_date', at='as_of_date') }}
    left join activities
        on described.user_id = activities.user_id
        and described.as_of_date = activities.as_of_date

)

select * from final
