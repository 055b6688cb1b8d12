-- How well does each model rank what people were shown, by mature day?
--
-- as_of_date             the day; in the list once its applications are mature and enough people applied
-- model_version          the model that served
-- users_with_positives   people who applied to something they were shown
-- champion_map           its MAP at depth 10, 0 to 1
-- human_map              that of the recruiters' ranking of the same jobs
-- simple_rule_map        that of the simple rule beside the model; null for a model of a release that fitted none
-- random_map             that of a random ranking
-- champion_map_7d        mean of champion_map over the model's last seven measured days
-- gain_over_human        champion_map minus human_map
-- gain_over_simple_rule  champion_map minus simple_rule_map; null where that is

select
    as_of_date,
    model_version,
    users_with_positives,
    champion_map,
    human_map,
    simple_rule_map,
    random_map,
    avg(champion_map) over (
        partition by model_version
        order by as_of_date
        rows between 6 preceding and current row
    ) as champion_map_7d,
    champion_map - human_map as gain_over_human,
    champion_map - simple_rule_map as gain_over_simple_rule

from lake.map_of_shown
where users_with_positives > 1
order by as_of_date, model_version
