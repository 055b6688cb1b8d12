with

consents as (

    select * from {{ ref('stg_events__consent') }}

),

-- What happened last counts, however late it became known; of two changes at the same instant the withdrawal counts.
running as (

    select
        user_id,
        channel,
        available_date,
        max_by(is_granted, row(occurred_at, not is_granted)) over (
            partition by user_id, channel
            order by available_date
            range between unbounded preceding and current row
        ) as is_consented

    from consents

),

resolved as (

    select distinct user_id, channel, available_date, is_consented
    from running

)

select * from resolved
