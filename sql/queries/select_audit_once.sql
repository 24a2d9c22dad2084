SELECT once
FROM audit
WHERE once IN :names
