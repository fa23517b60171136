-- What the recipes are written with. Nothing here is random: every choice is a hash of the seed, a row's number `n`
-- and a word, `salt`, that keeps two choices about one row apart.
-- Variables that are set before this file runs: rows (how many are asked for) and seed.
-- A table that is there: people (number from 0, name, relative), invented, in many scripts.

-- Hashed twice: the low bits of one hash of several values go together from salt to salt.
create macro roll(n, salt) as hash(hash(n, salt, getvariable('seed')));

create macro chance(n, salt, p) as roll(n, salt) % 1000 < p * 1000;

create macro number_from(n, salt, low, high) as low + (roll(n, salt) % (high - low + 1))::integer;

create macro pick(list, n, salt) as list[1 + (roll(n, salt) % len(list))::integer];

-- A time of day, from minutes after midnight.
create macro clock(minutes) as printf('%02d:%02d', minutes // 60, minutes % 60);

create macro phone(n, salt) as
    printf('(%d) 555-01%02d', pick([206, 312, 415, 503, 617], n, salt), roll(n, salt) // 7 % 100);

-- A row as a JSON object: half of the rows leave their null keys out, the others spell `null`.
-- Each row of a recipe passes through this; a recipe calls it itself for an object inside a row.
create macro sparse(object, n) as
    case when chance(n, 'sparse', 0.5) then json_merge_patch('{}', to_json(object)) else to_json(object) end;
