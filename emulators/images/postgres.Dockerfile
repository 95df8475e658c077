FROM clef-local/postgres
COPY postgres-entry /usr/local/bin/
ENTRYPOINT ["postgres-entry"]
