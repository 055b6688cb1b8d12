-- How fresh is each table?
--
-- table_name     the table
-- table_rows     rows
-- newest_date    newest day that it holds; null where it is empty
-- days_behind    days behind the newest day of any table: labels wait for their window, so examples are always behind

with

held as (

    select 'applies' as table_name, count(*) as table_rows, max(apply_date) as newest_date from marts.applies
    union all
    select 'application_daily', count(*), max(kpi_date) from marts.application_daily
    union all
    select 'churn_examples', count(*), max(label_mature_date) from marts.churn_examples
    union all
    select 'churn_features', count(*), max(as_of_date) from marts.churn_features
    union all
    select 'click_examples', count(*), max(label_mature_date) from marts.click_examples
    union all
    select 'experiment_readout', count(*), max(period_end_date) from marts.experiment_readout
    union all
    select 'exposures', count(*), max(exposure_date) from marts.exposures
    union all
    select 'fct_conversions', count(*), max(conversion_date) from marts.fct_conversions
    union all
    select 'fct_messages', count(*), max(as_of_date) from marts.fct_messages
    union all
    select 'job_features', count(*), max(as_of_date) from marts.job_features
    union all
    select 'kpi_daily', count(*), max(kpi_date) from marts.kpi_daily
    union all
    select 'labelled_examples', count(*), max(label_mature_date) from marts.labelled_examples
    union all
    select 'lift_daily', count(*), max(lift_date) from marts.lift_daily
    union all
    select 'model_performance_daily', count(*), max(exposure_date) from marts.model_performance_daily
    union all
    select 'user_features', count(*), max(as_of_date) from marts.user_features

)

select
    table_name,
    table_rows,
    newest_date,
    date_diff('day', newest_date, max(newest_date) over ()) as days_behind

from held
order by table_name
