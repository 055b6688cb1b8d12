with

examples as (

    select * from {{ ref('labelled_examples') }}
    where exposure_kind = 'message'

),

messages as (

    select * from {{ ref('fct_messages') }}
    where prediction_id is not null

),

-- Only what was texted: most scored pairs never become a message. Of applications that logged the same pair, the row of
-- the one that planned the message; rows of version 1 (no slice) name no application and are anybody's.
predictions as (

    select
        prediction_id,
        application,
        bool_and(slice is null) as is_of_anybody,
        min(model_version) as model_version,
        cast(min(probability) as decimal(18, 12)) as probability

    from {{ ref('stg_events__prediction') }}
    where prediction_id in (select prediction_id from messages)
    group by prediction_id, application

),

scored as (

    select
        examples.exposure_date,
        predictions.model_version,
        examples.slice,
        predictions.probability,
        cast(examples.is_applied as integer) as outcome,
        row_number() over (
            partition by examples.exposure_id order by messages.campaign = predictions.application desc
        ) as place

    from examples
    inner join messages on examples.exposure_id = messages.message_id
    inner join predictions
        on messages.prediction_id = predictions.prediction_id
        and (messages.campaign = predictions.application or predictions.is_of_anybody)

),

final as (

    select
        ---------- keys
        exposure_date,
        model_version,
        slice,

        ---------- counts
        count(*) as messages,
        cast(sum(outcome) as bigint) as applies,

        ---------- rates
        cast(sum(probability) as double) / count(*) as estimated_apply_rate,
        cast(sum(outcome) as double) / count(*) as realised_apply_rate,
        cast(sum(cast((probability - outcome) * (probability - outcome) as decimal(18, 12))) as double)
        / count(*) as brier_score

    from scored
    where place = 1
    group by exposure_date, model_version, slice

)

select * from final
