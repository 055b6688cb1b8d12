{#- Exposures with what came of them, and the examples that training and monitoring read: the SQL of every label. -#}

{#- Query of the exposures whose labels become mature in the range. `labels` are (column, staging model of the outcome,
    days after the exposure in which it counts); all are known when the longest window has closed. Those that are listed
    in `early` say what was known when their own window had closed. An exposure that became known only later never gets a
    label: adding it afterwards would change what was trained on. `numbers` and `timestamps` are further columns of the
    exposure to keep. -#}
{% macro labelled_exposures(labels, early=[], numbers=[], timestamps=[]) -%}
{%- set window_days = labels | map(attribute=2) | max -%}
with

as_of_dates as (

    select * from {{ ref('int_as_of_dates_spined') }}

),

maturing as (

    select
        exposures.*,
        as_of_dates.as_of_date as label_mature_date

    from {{ ref('exposures') }} as exposures
    inner join as_of_dates
        on exposures.exposure_date = {{ days_after('as_of_dates.as_of_date', -window_days - 1) }}
    where exposures.available_date <= as_of_dates.as_of_date
    and {{ known_in_lookback('exposures.available_date') }}

),

{% for label, outcome_model, days in labels -%}
exposures_{{ label }} as (

    select distinct maturing.exposure_id
    from maturing
    inner join {{ ref(outcome_model) }} as outcomes on maturing.exposure_id = outcomes.exposure_id
    where outcomes.available_date <= {{ days_after('maturing.exposure_date', days + 1) if label in early else 'maturing.label_mature_date' }}
    and outcomes.occurred_at <= maturing.occurred_at + interval '{{ days }}' day

),

{% endfor -%}
labelled as (

    select
        ---------- ids
        maturing.exposure_id,
        maturing.user_id,
        maturing.job_id,

        ---------- text
        maturing.exposure_kind,
        maturing.slice,

        ---------- numbers
        {% for column in numbers -%}
            maturing.{{ column }},
        {% endfor %}
        ---------- booleans
        {% for label, _, _ in labels -%}
            exposures_{{ label }}.exposure_id is not null as {{ label }},
        {% endfor %}
        ---------- dates
        maturing.exposure_date,
        maturing.label_mature_date
        {%- for column in timestamps -%}
            , maturing.{{ column }}
        {%- endfor %}

    from maturing
    {% for label, _, _ in labels -%}
        left join exposures_{{ label }} on maturing.exposure_id = exposures_{{ label }}.exposure_id
    {% endfor %}
)

select * from labelled
{%- endmacro %}

{#- Query of labelled exposures with the features of their exposure_date: what was known when each was shown. -#}
{% macro examples_of(exposures_model) -%}
with

exposures as (

    select * from {{ ref(exposures_model) }}

),

user_features as (

    select * from {{ ref('user_features') }}

),

job_features as (

    select * from {{ ref('job_features') }}

),

final as (

    select
        exposures.*,
        {{ columns_of('user_features', 'user_features', without=['as_of_date', 'user_id', 'is_consented_email']) }},
        {{ columns_of('job_features', 'job_features', without=['as_of_date', 'job_id']) }}

    from exposures
    inner join user_features
        on exposures.user_id = user_features.user_id
        and exposures.exposure_date = user_features.as_of_date
    inner join job_features
        on exposures.job_id = job_features.job_id
        and exposures.exposure_date = job_features.as_of_date

)

select * from final
{%- endmacro %}
