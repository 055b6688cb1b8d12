with

first_observed as (

    {{ first_observed('message_planned') }}

),

renamed as (

    select
        ---------- ids
        event_id,
        message_id,
        user_id,
        coalesce(person_id, user_id) as person_id,
        job_id,
        prediction_id,
        plan_id,

        ---------- text
        campaign,
        channel,
        slice,
        cohort,
        body,
        policy_version,

        ---------- lists
        items,

        ---------- numbers
        propensity,
        segments,

        ---------- dates
        as_of_date,
        {{ available_date('observed_at') }} as available_date,

        ---------- timestamps
        occurred_at,
        observed_at

    from first_observed

)

select * from renamed
