-- Changes rows and sequences of everything.sql, and no definition.
DELETE FROM public.child;
INSERT INTO public.parent (code, boss) VALUES ('new', 1);
UPDATE public.parent SET code = code || '!', boss = 4 WHERE id <= 2;
DELETE FROM public.parent WHERE id = 3;
INSERT INTO public.child (tags) VALUES ('{}');
UPDATE public."Order ""1"" 'ü'" SET "Group" = 7;
INSERT INTO public.counts VALUES (1);
UPDATE public.parts SET id = 5 WHERE id = 50;
DELETE FROM public.parts WHERE id = 1;
SELECT nextval('public.unused'), nextval('public.down'), nextval('public.down'), setval('public.plain', 1, false);
