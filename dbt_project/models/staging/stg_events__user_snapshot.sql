with

first_observed as (

    {{ first_observed('user_snapshot') }}

),

renamed as (

    select
        ---------- ids
        event_id,
        user_id,

        ---------- text
        occupation_group,
        shift,
        metro_code,
        state_code,
        time_zone,

        ---------- numbers
        seniority,
        latitude,
        longitude,
        reservation_pay_usd_per_hour,
        taste_embedding,

        ---------- dates
        {{ available_date('observed_at') }} as available_date,

        ---------- timestamps
        occurred_at,
        observed_at,
        signed_up_at

    from first_observed

)

select * from renamed
