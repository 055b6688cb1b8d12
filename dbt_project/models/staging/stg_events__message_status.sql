with

first_observed as (

    {{ first_observed('message_status') }}

),

renamed as (

    select
        ---------- ids
        event_id,
        message_id,
        user_id,
        provider_message_id,

        ---------- text
        status,
        detail,

        ---------- dates
        {{ available_date('observed_at') }} as available_date,

        ---------- timestamps
        occurred_at,
        observed_at

    from first_observed

)

select * from renamed
