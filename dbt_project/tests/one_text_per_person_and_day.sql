-- Nobody gets a second text of a campaign day, through whichever of their accounts. Texts that cannot have reached
-- anybody do not count. Returns the people who may have got more than one.
{{ config(tags=['metrics'], meta={'dagster': {'ref': {'name': 'fct_messages'}}}) }}

select person_id, campaign, as_of_date, count(*) as texts
from {{ ref('fct_messages') }}
where is_submitted
and status not in ('rejected', 'throttled')
group by person_id, campaign, as_of_date
having count(*) > 1
