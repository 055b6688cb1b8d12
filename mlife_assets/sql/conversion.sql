-- Which texts and mails lead to applications and hires: by application, who chose the job, and cohort?
--
-- application      which application planned the message
-- slice            who chose the job: exploit (the model), explore (chance), recruiter_rule
-- cohort           cohort of the recipient
-- delivered        delivered messages
-- clicked          of these, with a click
-- applied          of these, with an application
-- hired            of these, with a hire in the window
-- click_rate       clicked of delivered, 0 to 1
-- apply_rate       applied of delivered, 0 to 1

select
    campaign as application,
    slice,
    cohort,
    count(*) as delivered,
    count(*) filter (where is_clicked) as clicked,
    count(*) filter (where is_applied) as applied,
    count(*) filter (where is_hired) as hired,
    cast(count(*) filter (where is_clicked) as double) / count(*) as click_rate,
    cast(count(*) filter (where is_applied) as double) / count(*) as apply_rate

from marts.fct_messages
where is_delivered
group by campaign, slice, cohort
order by campaign, slice, cohort
