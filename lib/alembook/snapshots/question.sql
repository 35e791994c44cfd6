DECLARE
    -- Opens one query as the cursor alembook_question.
    -- Body of a DO block. Formatted with: query (a literal: the text of the query).
    -- Refused by the server: more than one statement, transaction control, statements that return no rows.
    -- Locks: those of the query. Reads only, in a READ ONLY transaction.
    question refcursor := 'alembook_question';
BEGIN
    OPEN question NO SCROLL FOR EXECUTE {query};
END
