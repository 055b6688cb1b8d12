with

first_observed as (

    {{ first_observed('message_suppressed') }}

),

renamed as (

    select
        ---------- ids
        event_id,
        message_id,
        user_id,

        ---------- text
        campaign,
        coalesce(channel, 'sms') as channel,
        reason,
        stage,

        ---------- dates
        as_of_date,
        {{ available_date('observed_at') }} as available_date,

        ---------- timestamps
        occurred_at,
        observed_at

    from first_observed

)

select * from renamed
