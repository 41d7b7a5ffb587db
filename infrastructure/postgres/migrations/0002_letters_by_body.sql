-- Messages of one id may have different bodies: a dead letter is known by its body, too.
CREATE UNIQUE INDEX dead_letters_known ON coremachine.dead_letters (queue, message_id, sha256(body));

ALTER TABLE coremachine.dead_letters DROP CONSTRAINT dead_letters_queue_message_id_key;
