CREATE TABLE inbound_texts (
    sequence BIGSERIAL NOT NULL,
    inbound_id VARCHAR NOT NULL,
    user_id VARCHAR NOT NULL,
    keyword VARCHAR NOT NULL,
    received_at BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (sequence),
    UNIQUE (inbound_id)
);

CREATE TABLE send_transitions (
    sequence BIGSERIAL NOT NULL,
    message_id VARCHAR NOT NULL,
    user_id VARCHAR NOT NULL,
    campaign VARCHAR NOT NULL,
    as_of_date DATE NOT NULL,
    from_state VARCHAR,
    to_state VARCHAR NOT NULL,
    attempt INTEGER NOT NULL,
    provider_message_id VARCHAR,
    detail VARCHAR,
    occurred_at BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (sequence)
);

CREATE TABLE sends (
    message_id VARCHAR NOT NULL,
    user_id VARCHAR NOT NULL,
    job_id VARCHAR NOT NULL,
    campaign VARCHAR NOT NULL,
    as_of_date DATE NOT NULL,
    body VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    attempts INTEGER NOT NULL,
    provider_message_id VARCHAR,
    updated_at BIGINT NOT NULL,
    lease_worker VARCHAR,
    lease_until BIGINT,
    submitted_at BIGINT,
    PRIMARY KEY (message_id),
    CONSTRAINT one_send_per_user_campaign_day UNIQUE (user_id, campaign, as_of_date),
    CONSTRAINT known_state CHECK (state IN ('planned', 'approved', 'leased', 'submitting', 'accepted', 'rejected', 'throttled', 'ambiguous', 'delivered', 'undelivered', 'unknown', 'suppressed'))
);

CREATE INDEX sends_by_campaign_day_state ON sends (campaign, as_of_date, state, message_id);

CREATE INDEX sends_by_day ON sends (as_of_date);

CREATE INDEX sends_by_state ON sends (state);

CREATE INDEX sends_by_user_day ON sends (user_id, as_of_date);

CREATE TABLE suppressions (
    user_id VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (user_id)
);

CREATE TABLE switches (
    sequence BIGSERIAL NOT NULL,
    is_paused BOOLEAN NOT NULL,
    actor VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (sequence)
);
