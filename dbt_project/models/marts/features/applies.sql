{{ config(materialized='table') }}

with

applies as (

    select * from {{ ref('stg_events__apply') }}

),

final as (

    select
        ---------- ids
        event_id as apply_event_id,
        user_id,
        job_id,
        exposure_id,

        ---------- text
        source,

        ---------- dates
        cast(occurred_at as date) as apply_date,

        ---------- timestamps
        occurred_at,
        observed_at

    from applies

)

select * from final
