-- SPDX-License-Identifier: Apache-2.0
-- From what writers differ in to the types of the format.

-- whole(number DOUBLE or DECIMAL, greatest) -> the same: null for NaN. Some writers make fractions
-- of integers with nulls.
--   greatest  up to which numbers of that type are exact
CREATE OR REPLACE MACRO whole(number, greatest) AS
    CASE
        WHEN isnan(number::DOUBLE) THEN NULL
        WHEN number = trunc(number) AND abs(number) <= greatest THEN number
        ELSE error('its column holds ' || number || ', which is no exact whole number')
    END;

-- not_negative(seq of any type of number) -> the same. Its place would be before the session.
CREATE OR REPLACE MACRO not_negative(seq) AS
    CASE
        WHEN seq < 0 THEN error('an event has the seq ' || seq || ', which is negative')
        ELSE seq
    END;

-- calendar_time(ts TIMESTAMP or TIMESTAMPTZ) -> the same: a time that no calendar has is the
-- nearest that all readers can show. It stays implausible, and counts as such.
CREATE OR REPLACE MACRO calendar_time(ts) AS
    CASE
        WHEN ts < '0001-01-02 00:00:00' THEN '0001-01-02 00:00:00'
        WHEN ts > '9999-12-30 00:00:00' THEN '9999-12-30 00:00:00'
        ELSE ts
    END;

-- time_of(microseconds BIGINT or UBIGINT) -> TIMESTAMPTZ: since 1970; within the same bounds.
CREATE OR REPLACE MACRO time_of(microseconds) AS
    make_timestamptz(
        CASE
            WHEN microseconds < -62135510400000000 THEN -62135510400000000
            WHEN microseconds > 253402128000000000 THEN 253402128000000000
            ELSE microseconds
        END::BIGINT
    );
