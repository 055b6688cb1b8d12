with

source as not materialized (

    {{ read_events('user_snapshot') }}

),

repeated as (

    {{ repeated_events() }}

),

first_observed as (

    select * from source
    anti join repeated using (filename, file_row_number)

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
