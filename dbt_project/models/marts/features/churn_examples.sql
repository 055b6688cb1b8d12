{{ config(
    materialized='incremental',
    incremental_strategy='append',
    on_schema_change='fail',
    pre_hook="{{ delete_as_of_range('label_mature_date') }}"
) }}

with

as_of_dates as (

    select * from {{ ref('int_as_of_dates_spined') }}

),

churn_features as (

    select * from {{ ref('churn_features') }}

),

returned as (

    select * from {{ ref('int_users_returned') }}

),

asked as (

    select
        churn_features.*,
        as_of_dates.as_of_date as label_mature_date,
        {{ text_hash("churn_features.user_id || '/' || cast(churn_features.as_of_date as varchar)") }} as row_hash

    from as_of_dates
    inner join churn_features
        on churn_features.as_of_date = {{ days_after('as_of_dates.as_of_date', -var('absence_days') - 1) }}

),

final as (

    select
        ---------- ids
        'chn_' || substr(asked.row_hash, 1, 16) as example_id,
        {{ columns_of('churn_features', 'asked', without=['as_of_date']) }},

        ---------- booleans
        returned.user_id is null as is_lost,

        ---------- dates
        asked.as_of_date,
        asked.label_mature_date

    from asked
    left join returned
        on asked.user_id = returned.user_id
        and asked.label_mature_date = returned.label_mature_date
    where substr(asked.row_hash, 1, 1) < '4'

)

select * from final
