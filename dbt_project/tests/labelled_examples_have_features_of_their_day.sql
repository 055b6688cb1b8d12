-- Every exposure day that matures in the range has features, unless it lies before the first day ever built: a day
-- skipped in between would drop its examples in silence. Build the dates that this returns.
{{ config(tags=['features'], meta={'dagster': {'ref': {'name': 'labelled_examples'}}}) }}

with

exposure_days as (

    select distinct exposure_date
    from {{ ref('exposures') }}
    where {{ in_as_of_range(days_after('exposure_date', var('apply_window_days') + 1)) }}

),

feature_days as (

    select distinct as_of_date from {{ ref('user_features') }}

)

-- depends_on: {{ ref('labelled_examples') }}
select exposure_date
from exposure_days
where exposure_date >= (select min(as_of_date) from feature_days)
and exposure_date <= (select max(as_of_date) from feature_days)
and exposure_date not in (select as_of_date from feature_days)
