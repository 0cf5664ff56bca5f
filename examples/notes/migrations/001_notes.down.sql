DROP TABLE repositories;
DROP TABLE notes;
