-- What became of the messages of each day?
--
-- as_of_date           day of the plan
-- application          which application planned them
-- channel              sms or email
-- status               strongest fact known: delivered, undelivered, rejected, unknown, accepted, ambiguous, throttled,
--                      submitted, suppressed or planned
-- suppression_reason   why it was held back after planning; null when it was not
-- messages             messages

select
    as_of_date,
    campaign as application,
    channel,
    status,
    suppression_reason,
    count(*) as messages

from marts.fct_messages
group by as_of_date, campaign, channel, status, suppression_reason
order by as_of_date, campaign, channel, status, suppression_reason
