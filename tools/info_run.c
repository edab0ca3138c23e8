// SPDX-License-Identifier: MIT
/*
 * info_run.c - `iofault info --run PID`: the figures of a run, as a table or as JSON. The other
 * process may be any: its answer is checked, and its text is tamed.
 */
#include "tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "run/run.h"

static void print_value(const char *name, struct json_object *value)
{
	char text[256];

	if (json_object_is_type(value, json_type_string))
		snprintf(text, sizeof(text), "%s", json_object_get_string(value));
	else
		snprintf(text, sizeof(text), "%s", json_object_to_json_string(value));
	iof_tame(text);
	printf("  %-22s %s\n", name, text);
}

static void print_members(struct json_object *object)
{
	struct json_object_iterator at = json_object_iter_begin(object);
	struct json_object_iterator end = json_object_iter_end(object);
	char name[64];

	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		struct json_object *value = json_object_iter_peek_value(&at);

		snprintf(name, sizeof(name), "%s", json_object_iter_peek_name(&at));
		iof_tame(name);
		if (!strcmp(name, "name"))
			continue;
		if (json_object_is_type(value, json_type_object)) {
			printf("  %s\n", name);
			json_object_object_foreach(value, key, inner)
			{
				snprintf(name, sizeof(name), "  %s", key);
				print_value(iof_tame(name), inner);
			}
		} else if (!json_object_is_type(value, json_type_array)) {
			print_value(name, value);
		}
	}
}

static void print_list(struct json_object *top, const char *key)
{
	struct json_object *list, *name;
	char text[64];

	if (!json_object_object_get_ex(top, key, &list) ||
	    !json_object_is_type(list, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(list); i++) {
		struct json_object *one = json_object_array_get_idx(list, i);

		if (!json_object_is_type(one, json_type_object))
			continue;
		snprintf(text, sizeof(text), "%s",
			 json_object_object_get_ex(one, "name", &name) ?
				 json_object_get_string(name) :
				 "?");
		printf("%s\n", iof_tame(text));
		print_members(one);
	}
}

/* Returns the answer as an object that is a run's, or NULL. */
static struct json_object *parse(const char *text)
{
	struct json_object *top = json_tokener_parse(text), *version;

	if (top && json_object_is_type(top, json_type_object) &&
	    json_object_object_get_ex(top, "iofault_run", &version) &&
	    json_object_get_int(version) == 1)
		return top;
	json_object_put(top);
	return NULL;
}

int iof_info_run(pid_t pid, const char *json)
{
	struct json_object *top, *error;
	char why[IOF_RUN_WHY], *text;
	FILE *out = stdout;
	bool bad;

	if (iof_run_ask(pid, &text, why))
		return iof_fail(IOF_EXIT_WRONG, "info: %s", why);
	top = parse(text);
	free(text);
	if (!top)
		return iof_fail(IOF_EXIT_WRONG,
				"info: process %d does not answer as a run of iofault does",
				(int)pid);
	if (json_object_object_get_ex(top, "error", &error)) {
		iof_fail(IOF_EXIT_WRONG, "info: the run of process %d: %.200s", (int)pid,
			 json_object_get_string(error));
		json_object_put(top);
		return IOF_EXIT_WRONG;
	}
	if (!json || strcmp(json, "-")) {
		puts("run");
		print_members(top);
		print_list(top, "devices");
		print_list(top, "queues");
	}
	if (json) {
		if (strcmp(json, "-"))
			out = fopen(json, "we");
		bad = !out || fprintf(out, "%s\n",
				      json_object_to_json_string_ext(
					      top, JSON_C_TO_STRING_PRETTY |
							   JSON_C_TO_STRING_NOSLASHESCAPE)) < 0;
		if (out && out != stdout)
			bad |= fclose(out);
		if (bad) {
			json_object_put(top);
			return iof_fail(IOF_EXIT_WRONG, "%s: the JSON cannot be written: %s", json,
					iof_reason(errno));
		}
	}
	json_object_put(top);
	return iof_flush_stdout(IOF_EXIT_OK);
}
