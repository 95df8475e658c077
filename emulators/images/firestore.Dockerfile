FROM clef-local/java
COPY google /opt/google
COPY gcloud /usr/local/bin/
