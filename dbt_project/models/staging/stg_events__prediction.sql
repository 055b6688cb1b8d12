with

source as (

    {{ read_events('prediction') }}

),

renamed as (

    select
        ---------- ids
        event_id,
        prediction_id,
        user_id,
        job_id,

        ---------- text
        application,
        slice,
        model_version,
        reasons,

        ---------- numbers
        raw_score,
        probability,
        click_probability,
        rank,
        propensity,
        exploration_propensity,

        ---------- dates
        as_of_date,
        {{ available_date('observed_at') }} as available_date,

        ---------- timestamps
        occurred_at,
        observed_at

    from source

)

select * from renamed
