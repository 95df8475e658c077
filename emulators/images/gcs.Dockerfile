FROM scratch
COPY fake-gcs-server /
ENTRYPOINT ["/fake-gcs-server"]
