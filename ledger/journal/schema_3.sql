-- What version 3 adds: the kept messages of one source are found without reading those of all others.
--
-- Theory of operation. A paper session keeps hundreds of the broker's messages an hour and, once a year perhaps, a change of
-- its configuration that somebody accepted; every start asks for those changes.

CREATE INDEX broker_event_source ON broker_event (session_id, source, number);
