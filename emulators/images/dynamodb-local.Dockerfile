FROM clef-local/java
COPY dynamodb-local /opt/dynamodb-local
WORKDIR /opt/dynamodb-local
CMD ["java", "-Djava.library.path=./DynamoDBLocal_lib", "-jar", "DynamoDBLocal.jar", "-inMemory", "-sharedDb", "-disableTelemetry"]
