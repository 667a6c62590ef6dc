/* What one would write at once: self-attention as a service of libmicrohttpd, jansson, CBLAS and loops, all of them
 * used as their manuals show, nothing done against speed and nothing for it. The request is parsed into a tree, the
 * numbers are copied out of it; the answer is a tree again, dumped with the nine digits that a float needs.
 *
 *   plain_jansson PORT THREADS
 *
 * POST {"inputs": [[…], …]} to any path of 127.0.0.1 answers {"weights": …, "output": …}, until a signal ends it. */
#include <arpa/inet.h>
#include <cblas.h>
#include <jansson.h>
#include <math.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct body {
    char *text;
    size_t size;
    size_t capacity;
};

static bool body_append(struct body *body, const char *data, size_t size) {
    if (body->size + size > body->capacity) {
        size_t capacity = 2 * (body->size + size);
        char *text = realloc(body->text, capacity);
        if (text == NULL)
            return false;
        body->text = text;
        body->capacity = capacity;
    }
    memcpy(body->text + body->size, data, size);
    body->size += size;
    return true;
}

/* [rows, columns] numbers from nested arrays; NULL where they are not rectangular or not numbers. */
static float *plain_jansson_read(const json_t *nested, size_t *rows, size_t *columns) {
    *rows = json_array_size(nested);
    *columns = json_array_size(json_array_get(nested, 0));
    float *numbers = calloc(*rows * *columns + 1, sizeof *numbers);
    for (size_t i = 0; numbers != NULL && i < *rows; i++) {
        const json_t *row = json_array_get(nested, i);
        for (size_t j = 0; j < *columns; j++) {
            const json_t *number = json_array_get(row, j);
            if (!json_is_number(number) || json_array_size(row) != *columns) {
                free(numbers);
                return NULL;
            }
            numbers[i * *columns + j] = (float)json_number_value(number);
        }
    }
    return numbers;
}

static json_t *plain_jansson_nest(const float *numbers, size_t rows, size_t columns) {
    json_t *nested = json_array();
    for (size_t i = 0; i < rows; i++) {
        json_t *row = json_array();
        for (size_t j = 0; j < columns; j++)
            json_array_append_new(row, json_real((double)numbers[i * columns + j]));
        json_array_append_new(nested, row);
    }
    return nested;
}

static void plain_jansson_softmax(float *row, size_t count) {
    float maximum = row[0], sum = 0;
    for (size_t j = 1; j < count; j++)
        maximum = fmaxf(maximum, row[j]);
    for (size_t j = 0; j < count; j++)
        sum += row[j] = expf(row[j] - maximum);
    for (size_t j = 0; j < count; j++)
        row[j] /= sum;
}

/* The answer's text, for free(); NULL when the request is wrong or memory is short. */
static char *plain_jansson_answer(const struct body *body) {
    json_auto_t *request = json_loadb(body->text, body->size, 0, NULL);
    size_t length, features;
    float *inputs = plain_jansson_read(json_object_get(request, "inputs"), &length, &features);
    float *weights = calloc(length * length + 1, sizeof *weights);
    float *output = calloc(length * features + 1, sizeof *output);
    char *text = NULL;
    if (inputs != NULL && weights != NULL && output != NULL && length > 0 && features > 0) {
        int rows = (int)length, columns = (int)features;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, rows, columns, 1 / sqrtf((float)columns), inputs,
                    columns, inputs, columns, 0, weights, rows);
        for (size_t i = 0; i < length; i++)
            plain_jansson_softmax(weights + i * length, length);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, columns, rows, 1, weights, rows, inputs, columns,
                    0, output, columns);
        json_auto_t *answer = json_object();
        json_object_set_new(answer, "weights", plain_jansson_nest(weights, length, length));
        json_object_set_new(answer, "output", plain_jansson_nest(output, length, features));
        text = json_dumps(answer, JSON_COMPACT | JSON_REAL_PRECISION(9));
    }
    free(inputs);
    free(weights);
    free(output);
    return text;
}

static enum MHD_Result plain_jansson_on_request(void *context, struct MHD_Connection *connection, const char *url,
                                                const char *method, const char *version, const char *data,
                                                size_t *data_size, void **state) {
    struct body *body = *state;
    (void)context;
    (void)url;
    (void)method;
    (void)version;
    if (body == NULL) {
        *state = calloc(1, sizeof *body);
        return *state != NULL ? MHD_YES : MHD_NO;
    }
    if (*data_size > 0) {
        bool kept = body_append(body, data, *data_size);
        *data_size = 0;
        return kept ? MHD_YES : MHD_NO;
    }
    char *text = strcmp(method, "POST") == 0 ? plain_jansson_answer(body) : strdup("{}");
    if (text == NULL)
        return MHD_NO;
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

static void plain_jansson_on_completed(void *context, struct MHD_Connection *connection, void **state,
                                       enum MHD_RequestTerminationCode code) {
    struct body *body = *state;
    (void)context;
    (void)connection;
    (void)code;
    if (body != NULL)
        free(body->text);
    free(body);
}

int main(int argument_count, char **arguments) {
    if (argument_count != 3) {
        fprintf(stderr, "usage: %s PORT THREADS\n", arguments[0]);
        return 2;
    }
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)atoi(arguments[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, plain_jansson_on_request, NULL,
                         MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)atoi(arguments[2]),
                         MHD_OPTION_NOTIFY_COMPLETED, plain_jansson_on_completed, NULL, MHD_OPTION_END);
    if (daemon == NULL) {
        perror("MHD_start_daemon");
        return 1;
    }
    for (;;)
        pause();
}
